from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch

from hornbook import machine
from hornbook.errors import UserError


@pytest.fixture(autouse=True)
def _untold(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (machine.BF16, machine.COMPILE):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("compiler", [True, False])
def test_choice_follows_what_the_machine_has(native: bool, compiler: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(machine, "native_bf16", lambda device: native)
    monkeypatch.setattr(machine, "has_compiler", lambda: compiler)
    chosen = machine.choose()
    assert (chosen.device, chosen.compile) == ("cpu", compiler)
    assert chosen.compute == (torch.bfloat16 if native else torch.float32)
    assert ("no C++ compiler found" in chosen.why) == (not compiler)
    assert machine.choose("fp32").compute == torch.float32
    assert machine.choose("bf16").compute == torch.bfloat16
    assert not machine.choose(compile_model=False).compile
    assert machine.choose(compile_model=True).compile == compiler


@pytest.mark.numerics
@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_environment_overrules_what_is_found(told: bool, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: device == "cuda")
    monkeypatch.setenv(machine.BF16, str(int(told)))
    monkeypatch.setenv(machine.COMPILE, str(int(told)))
    chosen = machine.choose()
    assert (chosen.device, chosen.compute) == (device, torch.bfloat16 if told else torch.float32)
    assert chosen.compile == told
    assert f"HORNBOOK_BF16={int(told)}" in chosen.why
    assert ("HORNBOOK_COMPILE=0" in chosen.why) == (not told)
    asked = machine.choose("fp32" if told else "bf16", compile_model=False)
    assert asked.compute == (torch.float32 if told else torch.bfloat16), "a setting counts more than the environment"
    assert not asked.compile


def test_what_the_environment_says_must_be_yes_or_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(machine.BF16, "yes")
    with pytest.raises(UserError, match="HORNBOOK_BF16 is 'yes'; it should be 0 or 1"):
        machine.choose()


def test_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.shutil, "which", lambda name: None)
    assert not machine.has_compiler()


def test_compiled_code_is_kept_apart_by_the_width_of_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the user keeps apart stays apart besides, and nothing is added twice."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    for before, after in (("", "AVX2"), ("mine", "mine AVX2"), ("mine AVX2", "mine AVX2")):
        # Torch's own patch: monkeypatch would delete the setting where it puts it back, and torch hides it for good.
        with torch.compiler.config.patch(cache_key_tag=before):
            machine.separate_compiled_code()
            assert torch.compiler.config.cache_key_tag == after


COMPILE_A_BLOCK = """
import torch
from hornbook.model.config import ModelConfig
from hornbook.model.transformer import Transformer
from hornbook.train.parallel import prepare_blocks

torch.set_num_threads(1)
model = Transformer(ModelConfig(vocabulary=300, layers=1, width=96, heads=3, mlp_width=160, context=32))
model.initialise(torch.Generator().manual_seed(1))
ids = torch.arange(2 * 32).view(2, 32)
with torch.no_grad():
    plain = model(ids)
    prepare_blocks(model, "none", compiled=True)
    print((model(ids) - plain).abs().max().item())
"""


@pytest.mark.slow
@pytest.mark.skipif(not machine.has_compiler(), reason="no C++ compiler")
def test_code_of_another_width_is_not_taken_from_the_cache(tmp_path: Path) -> None:
    """Both ways, in one folder: `default` is what a processor without vectors, or with others, has."""
    for capability in ("", "default", ""):
        there = {"TORCHINDUCTOR_CACHE_DIR": str(tmp_path), "ATEN_CPU_CAPABILITY": capability}
        env = {name: value for name, value in {**os.environ, **there}.items() if value}
        done = subprocess.run(
            [sys.executable, "-c", COMPILE_A_BLOCK], env=env, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr
        assert float(done.stdout) < 1e-5


def test_memory_is_measured_afresh() -> None:
    """In a process of its own: of a large one the system may take pages away while it is measured."""
    code = """
import os
from hornbook import machine

machine.reset_peak_memory()
before = machine.peak_memory()
block = bytearray(os.urandom(1)) * (150 << 20)
assert machine.peak_memory() >= before + (120 << 20)
del block
machine.release_memory()
if os.path.exists("/proc/self/clear_refs"):
    machine.reset_peak_memory()
    assert machine.peak_memory() < before + (100 << 20)
"""
    assert told_by(code, {}).stderr == ""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="not the GNU C library")
def test_memory_is_kept_inside_and_handed_back_behind() -> None:
    """In a process of its own, for it is of the process: the pages of what was freed count as used, or do not."""
    code = """
import ctypes
import os
from pathlib import Path
from hornbook import machine

library = ctypes.CDLL(None)
library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
library.free.argtypes = [ctypes.c_void_p]

def used_after() -> int:
    blocks = [library.malloc(16 << 20) for _ in range(10)]
    for block in blocks:
        ctypes.memset(block, 1, 16 << 20)
    for block in blocks:
        library.free(block)
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

before = used_after()
with machine.memory_kept():
    assert used_after() > before + (140 << 20)
for _ in range(2):
    assert used_after() < before + (10 << 20)
"""
    assert told_by(code, {}).stderr == ""


def test_description() -> None:
    found = machine.describe()
    assert found["cores"] == machine.cores() >= 1
    assert found["processor"]
    told = Path("/proc/cpuinfo")
    has = machine.instructions(told.read_text()) if told.exists() else []
    assert found.get("instructions", "") == ", ".join(has)


def test_instructions_are_whole_words() -> None:
    said = "flags\t: fpu avx2 avx512f avx512_bf16 avx512_vnni avx512_bf16x\n"
    assert machine.instructions(said) == ["avx2", "avx512f", "avx512_vnni", "avx512_bf16"]
    assert machine.instructions("Features\t: fp asimd asimddp bf16\n") == ["asimd", "asimddp", "bf16"]


@pytest.mark.parametrize("module", ["hornbook", "hornbook.cli", "hornbook.model"])
@pytest.mark.parametrize(
    ("said", "spins"),
    [
        ({}, "3000"),
        ({"GOMP_SPINCOUNT": "7"}, "7"),
        ({"OMP_WAIT_POLICY": "active"}, "None"),
        ({"OMP_WAIT_POLICY": "passive"}, "None"),
    ],
)
def test_how_long_threads_spin_is_set_before_torch_is_loaded(module: str, said: dict[str, str], spins: str) -> None:
    code = f"import os, sys, {module}\nprint('torch' in sys.modules, os.environ.get('GOMP_SPINCOUNT'))"
    assert told_by(code, said).stdout == f"False {spins}\n"


def test_torch_takes_it() -> None:
    """What its OpenMP prints about itself when it is loaded; other libraries than GNU's print other names."""
    told = told_by("import hornbook, torch", {"OMP_DISPLAY_ENV": "verbose"}).stderr
    if "GOMP_SPINCOUNT" not in told:
        pytest.skip("this torch has no GNU OpenMP")
    assert "GOMP_SPINCOUNT = '3000'" in told


def told_by(code: str, said: dict[str, str]) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment | said, capture_output=True, text=True, check=True
    )


def test_what_commands_keep_lies_in_the_cache_and_not_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = machine.kept_in("long", "/runs/my model/../phi")
    assert found.parent == tmp_path / "cache" / "hornbook" / "long"
    assert re.fullmatch(r"phi-[0-9a-f]{12}", found.name)
    assert machine.kept_in("long", "/other/phi") != found
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))  # where nothing can be made
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))
    assert machine.kept_in("long", "phi").is_relative_to(tmp_path / "temporary")
