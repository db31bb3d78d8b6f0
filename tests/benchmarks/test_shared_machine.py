"""The benchmark measures a model that any folder holds, and its processes end with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks.scripts import script

shared_machine = script("shared_machine")


def test_settings_take_turns(make_checkpoint: Callable[..., tuple[Any, Path]]) -> None:
    speeds = shared_machine.measure(make_checkpoint()[1], 1, [0, 1000], False, 2)
    assert speeds.keys() == {0, 1000}
    assert all(len(found) == 2 and min(found) > 0 for found in speeds.values())


def test_the_processes_end(make_checkpoint: Callable[..., tuple[Any, Path]]) -> None:
    with shared_machine.busy(True) as process:
        assert process.poll() is None
    assert process.poll() is not None
    with shared_machine.busy(False) as process:
        assert process is None
    with shared_machine.workers(make_checkpoint()[1], 1, [0]) as started:
        assert started[0].poll() is None
    assert started[0].poll() is not None
