from __future__ import annotations

import os

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


def test_memory_is_measured_afresh() -> None:
    machine.reset_peak_memory()
    before = machine.peak_memory()
    block = bytearray(os.urandom(1)) * (150 << 20)
    assert machine.peak_memory() >= before + (120 << 20)
    del block
    machine.release_memory()
    if os.path.exists("/proc/self/clear_refs"):  # noqa: PTH110
        machine.reset_peak_memory()
        assert machine.peak_memory() < before + (100 << 20)


def test_description() -> None:
    found = machine.describe()
    assert found["cores"] == machine.cores() >= 1
    assert found["processor"]
