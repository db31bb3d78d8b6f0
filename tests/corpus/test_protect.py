from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hornbook.corpus.cleaning.entries import entries
from hornbook.corpus.cleaning.leaked import Guarded, leaked
from hornbook.corpus.protect import Protected
from hornbook.corpus.settings import CleanSettings
from hornbook.documents import shards
from hornbook.progress import Progress, Task

QUESTION = "Which of the seven wandering lanterns did the keeper of the harbour museum lend to the baker of the island?"


class Watched(Progress):
    """Remembers what was said, and the tasks with their totals."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.tasks: list[tuple[str, float | None]] = []

    @contextmanager
    def task(self, label: str, total: float | None = None, done: float = 0) -> Iterator[Task]:
        self.tasks.append((label, total))
        yield Task()

    def say(self, text: str) -> None:
        self.lines.append(text.strip())


@pytest.fixture
def benchmarks(tmp_path: Path) -> Path:
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks/quiz.jsonl").write_text(json.dumps({"id": "q1", "question": QUESTION}) + "\nbroken")
    (tmp_path / "benchmarks/README.md").write_text("what this is")
    return tmp_path / "benchmarks"


def test_what_is_left_out_is_known_and_the_rest_found(benchmarks: Path) -> None:
    protected = Protected(None, [benchmarks], CleanSettings())
    assert list(protected.left_out) == ["benchmarks/README.md", "benchmarks/quiz.jsonl"]
    assert protected.find([f"So: {QUESTION.upper()}", "nothing"]) == ["quiz/q1", None]


def test_benchmarks_are_prepared_once_and_in_sight(benchmarks: Path) -> None:
    progress, protected = Watched(), Protected(None, [benchmarks], CleanSettings())
    protected.prepare(progress)
    protected.prepare(progress)
    assert progress.tasks == [("prepare benchmarks", 1)]


def test_a_pass_says_what_was_left_out_and_prepares_only_where_there_is_work(
    tmp_path: Path, benchmarks: Path, make_corpus: Any
) -> None:
    rows = [{"id": "a", "text": f"So: {QUESTION}", "source": "s", "path": "a", "score": 1.0}]
    corpus, settings = make_corpus(tmp_path / "corpus", rows), CleanSettings()
    known = entries(shards(corpus), settings, into=tmp_path / "out", progress=Progress())
    for tasks in (["prepare benchmarks", "look for problems"], ["look for problems"]):
        progress, protected = Watched(), Protected(None, [benchmarks], settings)
        guarded = Guarded(None, (benchmarks,), settings)
        fates = leaked(known, {}, guarded, protected, into=tmp_path / "out", progress=progress)
        assert {number: fate.kept for number, fate in fates.items()} == {0: "quiz/q1"}
        assert [label for label, _ in progress.tasks] == tasks
        assert progress.lines[0] == "benchmarks: benchmarks/README.md is not .jsonl, .json, .csv or .tsv, left out"
        assert progress.lines[1].startswith("benchmarks: benchmarks/quiz.jsonl lacks 1 of 2 records: line 2 is not")
