from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hornbook.corpus.trace import trace
from hornbook.errors import UserError
from hornbook.runs.manifest import Manifest


def stages(run: Path) -> list[Path]:
    return sorted(run.glob("[0-9][0-9]-*"))


def stage(
    root: Path, name: str, parts: dict[str, list[dict[str, Any]]], settings: dict[str, Any] | None = None
) -> None:
    folder = root / name
    for part, rows in parts.items():
        path = folder / part if part.endswith(".parquet") else folder / part / "part-00000.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows), path)
    Manifest(name[3:], "", settings or {}, {}, "", {}, 0.0, 0, {}).write(folder)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    documents = [
        {"id": f"{name}0000", "text": f"text {name}", "source": "library", "path": f"{name}.py"} for name in "abcd"
    ]
    scored = [{**row, "score": 1.0 + number} for number, row in enumerate(documents)]
    dropped = [
        {**documents[1], "reason": "near duplicate", "kept": "a0000"},
        {**documents[2], "reason": "contamination", "kept": "problem 7"},
    ]
    grades = [{"id": "a0000", "score": 2, "reason": "clear", "split": "train", "source": "library", "path": "a.py"}]
    mixture = [
        {"sources": ["library"], "minimum_score": 2.0, "share": 0.8},
        {"sources": ["other"], "share": 0.1},
        {"sources": ["library"], "minimum_score": 0.0, "share": 0.1},
    ]
    stage(tmp_path, "01-read", {"documents": documents})
    stage(tmp_path, "02-grade", {"documents": scored, "grades.parquet": grades})
    stage(tmp_path, "03-clean", {"documents": [scored[0], scored[3]], "removed": dropped})
    stage(tmp_path, "04-tokens", {}, {"phases": {"phase1": {"mixture": mixture}, "phase2": {"mixture": mixture[:1]}}})
    (tmp_path / "05-broken").mkdir()
    return tmp_path


def test_a_kept_document(run: Path) -> None:
    found = trace("a0000", stages(run))
    assert [(step.stage, step.kept) for step in found.steps] == [
        ("read", True), ("grade", True), ("clean", True), ("tokens", True),
    ]  # fmt: skip
    assert found.text == "text a"
    assert found.steps[1].columns == {"source": "library", "path": "a.py", "score": 1.0}
    assert found.steps[1].notes == ("the teacher gave 2: clear (train)",)
    assert found.steps[3].notes == (
        "not in the mixture for 80% of phase1: that takes scores from 2.0 on",
        "in the mixture for 10% of phase1: the score 1.0 is at least 0.0",
        "not in the mixture for 80% of phase2: that takes scores from 2.0 on",
    )
    assert [(row["id"], row["reason"], row["stage"]) for row in found.repeats] == [("b0000", "near duplicate", "clean")]
    assert (
        trace("d000", stages(run)).steps[3].notes[0]
        == "in the mixture for 80% of phase1: the score 4.0 is at least 2.0"
    )


def test_a_document_that_was_never_graded_passes(tmp_path: Path) -> None:
    """As it does where the mixture is drawn: what a teacher wrote has no score."""
    written = {"id": "e0000", "text": "text e", "source": "exercises", "path": "arrange/1"}
    mixture = [
        {"sources": ["exercises"], "minimum_score": 3.0, "share": 0.9},
        {"sources": ["exercises"], "languages": ["en"], "share": 0.1},
    ]
    stage(tmp_path, "01-write", {"documents": [written]})
    stage(tmp_path, "02-tokens", {}, {"phases": {"phase2": {"mixture": mixture}}})
    step = trace("e0000", stages(tmp_path)).steps[1]
    assert step.kept
    assert step.notes == (
        "in the mixture for 90% of phase2: it was never graded",
        "not in the mixture for 10% of phase2: that takes scores from 0 on in en",
    )


def test_a_duplicate_and_a_leak(run: Path) -> None:
    copy, leak = trace("b0000", stages(run)), trace("c0000", stages(run))
    assert [(step.stage, step.kept) for step in copy.steps] == [("read", True), ("grade", True), ("clean", False)]
    assert copy.steps[2].columns["reason"] == "near duplicate"
    assert copy.steps[2].notes == ("kept instead: a0000, library a.py",)
    assert leak.steps[2].notes == ("it holds the problem problem 7",)


def test_ids_that_are_no_ids(run: Path) -> None:
    with pytest.raises(UserError, match="no document"):
        trace("zzzz", stages(run))
    with pytest.raises(UserError, match="too short"):
        trace("a", stages(run))
    more = [{"id": f"same{number}", "text": "", "source": "x", "path": ""} for number in range(3)]
    stage(run, "06-more", {"documents": more})
    with pytest.raises(UserError, match="3 documents have ids that begin with same"):
        trace("same", stages(run))
    assert trace("same1", stages(run)).id == "same1"
    stage(run, "07-short", {"documents": [{"id": one, "text": "", "source": "x", "path": ""} for one in ("7", "71")]})
    assert trace("7", stages(run)).id == "7"
