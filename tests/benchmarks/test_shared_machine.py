"""The benchmark measures a model that any folder holds, and its busy process ends with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tests.benchmarks.scripts import script

shared_machine = script("shared_machine")


def test_speeds_of_any_folder(make_checkpoint: Callable[..., tuple[Any, Path]]) -> None:
    threads = torch.get_num_threads()
    try:
        speeds = shared_machine.measure(make_checkpoint()[1], 1, 5, 2)
    finally:
        torch.set_num_threads(threads)
    assert len(speeds) == 2
    assert all(speed > 0 for speed in speeds)


def test_the_busy_process_ends() -> None:
    with shared_machine.busy(True) as process:
        assert process.poll() is None
    assert process.poll() is not None
    with shared_machine.busy(False) as process:
        assert process is None
