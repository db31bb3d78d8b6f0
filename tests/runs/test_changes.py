"""What would be done again, and how much work that was."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import Any

import pytest

from hornbook.files import write_text
from hornbook.progress import Progress
from hornbook.runs import store
from hornbook.runs.changes import Lost, differences, discarded, state
from hornbook.runs.run import run
from hornbook.runs.steps import Step


class Kill(BaseException):
    """Nothing catches it."""


def step(batch: int, *, often: float = 1.0, stop: bool = False) -> Step:
    def work(inputs: Any, into: Path, progress: Any) -> dict[str, Any]:
        write_text(into / "scratch" / "state.pt", "half")
        if stop:
            raise Kill
        return {}

    settings = {"train": {"batch": batch}}
    return Step("train", "", (), settings, ("hornbook.seeds",), work, beside={"train.often": often})


def begin(root: Path, one: Step, seconds: float) -> None:
    """Begin a stage, be killed, and have worked for so long by what is on the disk."""
    with contextlib.suppress(Kill):
        run([one], root, progress=Progress())
    file = root / ".01-train.partial" / "scratch" / "state.pt"
    later = file.stat().st_mtime + seconds
    os.utime(file, (later, later))


def test_what_was_begun_with_other_settings_is_told(tmp_path: Path) -> None:
    begin(tmp_path, step(4, stop=True), 100)
    assert discarded(state([step(4)], tmp_path), tmp_path) is None
    assert discarded(state([step(4, often=9)], tmp_path), tmp_path) is None, "what changes no result is no change"
    told = discarded(state([step(8)], tmp_path), tmp_path)
    assert told is not None and re.search(r"train \(train.batch 4 → 8\); up to [12] min \d\d s of work", told)


def test_seconds_of_all_sessions_count(tmp_path: Path) -> None:
    begin(tmp_path, step(4, stop=True), 100)
    begin(tmp_path, step(4, often=9, stop=True), 200)
    begun = store.begun(tmp_path / "01-train")
    assert begun is not None and begun.seconds == pytest.approx(300, abs=40)
    [result] = run([step(4)], tmp_path, progress=Progress())
    assert result.manifest.seconds == pytest.approx(300, abs=40)
    assert result.manifest.settings == {"train": {"batch": 4}, "train.often": 1.0}


def test_where_the_same_was_begun_again_nothing_is_asked_twice(tmp_path: Path) -> None:
    run([step(4)], tmp_path, progress=Progress())
    assert state([step(8)], tmp_path).changed.keys() == {"train"}
    begin(tmp_path, step(8, stop=True), 1)
    assert state([step(8)], tmp_path).changed == {}


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({"a": 1}, {"a": 2}, "a 1 → 2"),
        ({"t": {"a": 1, "b": 2}}, {"t": {"a": 1, "b": 3}}, "t.b 2 → 3"),
        ({"a": 1}, {"a": 1}, "what it reads"),
        ({"a": 1}, {"a": 1, "b": None}, "b absent → unset"),
        ({"share": {"web": 0.5}}, {"share": None}, "share web=0.5 → unset"),
        ({"share": {"web": 0.5}}, {"share": {"code": 0.5}}, "share.web 0.5 → absent, share.code absent → 0.5"),
        ({"s": [{"name": "a", "path": "x"}]}, {"s": [{"name": "a", "path": "y"}]}, "s.0.path x → y"),
        (dict.fromkeys("abcde", 0), dict.fromkeys("abcde", 1), "a 0 → 1, b 0 → 1, c 0 → 1, 2 more"),
        ({"a": "x" * 99}, {"a": "y"}, f"a {'x' * 29}… → y"),
    ],
)
def test_differences(before: dict[str, Any], after: dict[str, Any], told: str) -> None:
    assert differences(before, after) == told


def test_only_a_reason_makes_a_question() -> None:
    from hornbook.runs.changes import State

    assert discarded(State({}, {}, changed={"tell": Lost(5.0)}), Path("run")) is None
