from __future__ import annotations

import os

import pytest
import torch

from hornbook import machine


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
