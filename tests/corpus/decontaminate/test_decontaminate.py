from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hornbook.corpus.decontaminate import EvaluationFiles, EvaluationSets, contaminated, decontaminate_conversations
from hornbook.corpus.decontaminate.settings import DecontaminationSettings
from hornbook.documents import shards
from hornbook.files import read_jsonl
from hornbook.progress import Progress, Task
from hornbook.teacher.builtin.exercises.catalogue import compositions

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


def sets_of(benchmarks: Path) -> EvaluationSets:
    return EvaluationSets(EvaluationFiles(None, (benchmarks,), DecontaminationSettings()))


def test_what_is_left_out_is_known_and_the_rest_found(benchmarks: Path) -> None:
    sets = sets_of(benchmarks)
    assert list(sets.left_out) == ["benchmarks/README.md", "benchmarks/quiz.jsonl"]
    assert sets.find([f"So: {QUESTION.upper()}", "nothing"]) == ["quiz/q1", None]


def test_benchmarks_are_prepared_once_and_in_sight(benchmarks: Path) -> None:
    progress, sets = Watched(), sets_of(benchmarks)
    sets.prepare(progress)
    sets.prepare(progress)
    assert progress.tasks == [("prepare benchmarks", 1)]


def test_a_pass_says_what_was_left_out_and_prepares_only_where_there_is_work(
    tmp_path: Path, benchmarks: Path, make_corpus: Any
) -> None:
    rows = [{"id": "a", "text": f"So: {QUESTION}", "source": "s", "path": "a", "score": 1.0}]
    stored = shards(make_corpus(tmp_path / "corpus", rows))
    for tasks in (["prepare benchmarks", "look for problems"], ["look for problems"]):
        progress = Watched()
        found = contaminated(stored, None, sets_of(benchmarks), into=tmp_path / "out", progress=progress)
        assert found is not None
        assert found.between("number", 0, 9).to_pylist() == [{"number": 0, "kept": "quiz/q1"}]
        assert [label for label, _ in progress.tasks] == tasks
        assert progress.lines[0] == "benchmarks: benchmarks/README.md is not .jsonl, .json, .csv or .tsv, left out"
        assert progress.lines[1].startswith("benchmarks: benchmarks/quiz.jsonl lacks 1 of 2 records: line 2 is not")


PROMPT = 'def sum_of_even_squares(values):\n    """Return the sum of the squares of the even numbers in values."""\n'
SOLUTION = "    return sum(v * v for v in values if v % 2 == 0)\n"


def test_rows_that_hold_a_problem_are_set_aside(tmp_path: Path) -> None:
    (tmp_path / "problems.jsonl").write_text(json.dumps({"id": "evens", "prompt": PROMPT, "solution": SOLUTION}))
    hello = {"id": "hello", "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]}
    asked = {
        "id": "asked",
        "messages": [{"role": "user", "content": PROMPT}, {"role": "assistant", "content": SOLUTION}],
    }
    pair = {"id": "pair", "prompt": PROMPT, "chosen": SOLUTION, "rejected": "    return 0\n"}
    (tmp_path / "conversations.jsonl").write_text(json.dumps(hello) + "\n" + json.dumps(asked) + "\n")
    (tmp_path / "preferences.jsonl").write_text(json.dumps(pair) + "\n")
    figures = decontaminate_conversations(
        [tmp_path / "conversations.jsonl", tmp_path / "preferences.jsonl"],
        tmp_path / "problems.jsonl",
        DecontaminationSettings(),
        into=tmp_path / "out",
    )
    assert figures == {"conversations": {"kept": 1, "removed": 1}, "preferences": {"kept": 0, "removed": 1}}
    assert list(read_jsonl(tmp_path / "out/conversations.jsonl")) == [hello]
    (removed,) = read_jsonl(tmp_path / "out/removed/conversations.jsonl")
    assert (removed["id"], removed["reason"], removed["problem"]) == ("asked", "contamination", "evens")


def test_what_is_composed_of_parts_is_told_apart_by_them(tmp_path: Path, make_corpus: Any) -> None:
    problem = {"id": "evens", "prompt": PROMPT, "solution": SOLUTION, "composition": "reduce/sum+square+even"}
    written = tmp_path / "written"
    written.mkdir()
    (written / "problems.jsonl").write_text(json.dumps(problem))
    odd = PROMPT.replace("even", "odd") + SOLUTION.replace("== 0", "== 1")
    beside = [("other parts", "reduce/sum+square+odd"), ("unknown", ""), ("the same", "reduce/sum+square+even")]
    elsewhere = [("of their own", "H2O"), ("of another run", "reduce/sum+square+odd")]
    rows = [
        {"id": name, "text": odd, "source": "s", "path": name, "composition": composition}
        for name, composition in [*beside, *elsewhere]
    ]
    other = make_corpus(tmp_path / "other", rows[len(beside) :])
    stored = shards(make_corpus(written, rows[: len(beside)]), other)
    sets = EvaluationSets(EvaluationFiles(written / "problems.jsonl", (), DecontaminationSettings()))
    found = contaminated(stored, None, sets, into=tmp_path / "out", progress=Progress())
    assert found is not None
    held = {rows[row["number"]]["id"]: row["kept"] for row in found.between("number", 0, 9).to_pylist()}
    assert held == dict.fromkeys(["unknown", "the same", "of their own", "of another run"], "evens")

    asked = [{"role": "user", "content": PROMPT.replace("even", "odd")}, {"role": "assistant", "content": SOLUTION}]
    chats = [
        {"id": "all other", "messages": asked, "compositions": ["reduce/sum+square+odd", "build/same+even"]},
        {"id": "one of them", "messages": asked, "compositions": ["build/same+even", "reduce/sum+square+even"]},
        {"id": "none", "messages": asked},
    ]
    (tmp_path / "conversations.jsonl").write_text("".join(json.dumps(row) + "\n" for row in chats))
    decontaminate_conversations(
        [tmp_path / "conversations.jsonl"],
        written / "problems.jsonl",
        DecontaminationSettings(),
        into=tmp_path / "chats",
    )
    assert [row["id"] for row in read_jsonl(tmp_path / "chats/conversations.jsonl")] == ["all other"]


def test_where_problems_have_no_parts_words_decide(tmp_path: Path) -> None:
    (tmp_path / "problems.jsonl").write_text(json.dumps({"id": "evens", "prompt": PROMPT, "solution": SOLUTION}))
    sets = EvaluationSets(EvaluationFiles(tmp_path / "problems.jsonl", (), DecontaminationSettings()))
    assert sets.find([PROMPT + SOLUTION, "nothing"], ["reduce/sum+square+odd", "x/y"]) == ["evens", None]


def test_all_compositions_of_the_catalogue_are_known(tmp_path: Path) -> None:
    held = "reduce/sum+square+even"
    problem = {"id": "evens", "prompt": PROMPT, "solution": SOLUTION, "composition": held}
    (tmp_path / "problems.jsonl").write_text(json.dumps(problem))
    sets = EvaluationSets(EvaluationFiles(tmp_path / "problems.jsonl", (), DecontaminationSettings()))
    keys = [key for family in compositions().values() for key in family]
    found = sets.find([PROMPT + SOLUTION] * len(keys), keys)
    assert [key for key, name in zip(keys, found, strict=True) if name is not None] == [held]
