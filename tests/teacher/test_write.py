import ast
import json
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from hornbook.documents import document_id
from hornbook.errors import UserError
from hornbook.files import read_jsonl
from hornbook.progress import Progress
from hornbook.teacher.builtin.teacher import BuiltinTeacher
from hornbook.teacher.checks import exercise_complaints
from hornbook.teacher.held_out import shape
from hornbook.teacher.interface import Case, Exercise, Problem
from hornbook.teacher.producer import Composed, Failed, Source
from hornbook.teacher.settings import ConversationShares, PreferenceShares, WriteSettings
from hornbook.teacher.write import write

SETTINGS = WriteSettings(exercises=600, problems=40, conversations=80, preferences=60)


def _write(into: Path, teacher: BuiltinTeacher | None = None, seed: int = 5) -> dict[str, Any]:
    return write(
        teacher or BuiltinTeacher(), SETTINGS, seed=seed, into=into, progress=Progress(), allow_unisolated=True
    )


class Silent(BuiltinTeacher):
    """Its exercises are none, or fail their check."""

    def exercises(self, *, seed: int) -> Source[Exercise]:
        (good,) = super().exercises(seed=seed).more(1)
        assert isinstance(good, Exercise)
        wrong = replace(good, body="    return None\n", cases=(Case((), "never"),))
        return Composed(cycle([Failed("no answer"), Failed("no answer"), wrong]), exercise_complaints, hint="So what?")


def test_a_teacher_of_whom_not_one_exercise_passes_is_told(tmp_path: Path) -> None:
    told = (
        r"of 200 rows by builtin not one passed its checks \(66 failed its check, 134 no answer; the first: no answer"
    )
    with pytest.raises(UserError, match=told):
        _write(tmp_path, Silent())
    assert not list(tmp_path.glob("**/*.parquet"))


def _rows(folder: Path) -> list[dict[str, Any]]:
    return [row for file in sorted(folder.glob("*.parquet")) for row in pq.read_table(file).to_pylist()]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    into = tmp_path_factory.mktemp("write")
    return into, _write(into)


def test_as_much_as_was_asked_for(stage: tuple[Path, dict[str, Any]]) -> None:
    into, figures = stage
    documents = _rows(into / "documents")
    assert len(documents) == figures["exercises"] == 600
    assert len(list(read_jsonl(into / "problems.jsonl"))) == figures["problems"] == 40
    assert len(list(read_jsonl(into / "conversations.jsonl"))) == sum(figures["conversations"].values()) == 80
    assert len(list(read_jsonl(into / "preferences.jsonl"))) == sum(figures["preferences"].values()) == 60
    assert figures["problems_rejected"] == 0
    assert figures["teacher"] == "builtin"
    json.dumps(figures)


def test_documents_are_a_corpus(stage: tuple[Path, dict[str, Any]]) -> None:
    documents = _rows(stage[0] / "documents")
    assert list(documents[0]) == ["id", "text", "source", "path", "family", "composition", "prompt", "seeds"]
    assert len({row["id"] for row in documents}) == len({row["path"] for row in documents}) == len(documents)
    for row in documents:
        assert row["id"] == document_id(row["text"])
        assert row["source"] in ("exercises", "tasks")
        assert row["path"].startswith(row["family"] + "/")
        assert row["text"].startswith(row["prompt"]) and row["prompt"] != row["text"]
        # Asked by a docstring, or in words with the function below an empty line; either way a whole function follows.
        asked, _, function = row["text"].partition("\n\n")
        assert (function.startswith("def ") and not asked.startswith("def ")) == (row["source"] == "tasks")
        ast.parse(function if row["source"] == "tasks" else row["text"])
        assert json.loads(row["seeds"])["composition"] == row["composition"]


def test_problems_can_be_read_and_are_right(stage: tuple[Path, dict[str, Any]]) -> None:
    for row in read_jsonl(stage[0] / "problems.jsonl"):
        assert row["prompt"].endswith('"""\n')
        names: dict[str, Any] = {}
        exec(row["prompt"] + row["solution"], names)
        for text in row["cases"]:
            arguments, expected = ast.literal_eval(text)
            assert names[row["name"]](*arguments) == expected


def test_no_document_gives_a_problem_away(stage: tuple[Path, dict[str, Any]]) -> None:
    problems = list(read_jsonl(stage[0] / "problems.jsonl"))
    shapes = {shape(row["parameters"], row["solution"]) for row in problems}
    compositions = {row["composition"] for row in problems}
    for row in _rows(stage[0] / "documents"):
        assert row["composition"] not in compositions
        assert shape(json.loads(row["seeds"])["arguments"], row["text"].removeprefix(row["prompt"])) not in shapes


def test_chats_and_preferences_have_their_form(stage: tuple[Path, dict[str, Any]]) -> None:
    for row in read_jsonl(stage[0] / "conversations.jsonl"):
        assert row["id"]
        assert [message["role"] for message in row["messages"]] == ["user", "assistant"] * (len(row["messages"]) // 2)
    for row in read_jsonl(stage[0] / "preferences.jsonl"):
        assert ("messages" in row) != ("prompt" in row)
        assert row["chosen"] != row["rejected"]
    assert {row["harmful"] for row in read_jsonl(stage[0] / "safety.jsonl")} == {True, False}


def test_requests_to_decline_are_there_where_something_is_taught_of_them(tmp_path: Path) -> None:
    assert WriteSettings().about_harm
    of_chats = dict.fromkeys(ConversationShares.model_fields, 0.0) | {"task": 1.0}
    of_pairs = dict.fromkeys(PreferenceShares.model_fields, 0.0) | {"chat": 1.0}
    chats, pairs = ConversationShares(**of_chats), PreferenceShares(**of_pairs)
    assert not WriteSettings(conversation_shares=chats, preference_shares=pairs).about_harm
    for name in ("refusal", "compliance", "harmless"):
        some = ConversationShares(**of_chats | {"task": 0.9, name: 0.1})
        assert WriteSettings(conversation_shares=some, preference_shares=pairs).about_harm
    assert WriteSettings(conversation_shares=chats).about_harm
    few = WriteSettings(exercises=40, problems=5, conversations=5, preferences=5)
    few = few.model_copy(update={"conversation_shares": chats, "preference_shares": pairs})
    told = write(BuiltinTeacher(), few, seed=1, into=tmp_path, progress=Progress(), allow_unisolated=True)
    assert told["safety_prompts"] == {"harmful": 0, "harmless": 0}
    assert list(read_jsonl(tmp_path / "safety.jsonl")) == []


def test_the_same_seed_writes_the_same_bytes(stage: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    figures = _write(tmp_path)
    assert figures == stage[1]
    for file in sorted(stage[0].rglob("*.*")):
        assert (tmp_path / file.relative_to(stage[0])).read_bytes() == file.read_bytes()


def test_another_seed_writes_something_else(stage: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    _write(tmp_path, seed=6)
    assert (tmp_path / "problems.jsonl").read_bytes() != (stage[0] / "problems.jsonl").read_bytes()


class _Careless(BuiltinTeacher):
    """Fails, repeats itself, writes wrong bodies and gives solutions of problems away."""

    name = "careless"

    def exercises(self, *, seed: int) -> Source[Exercise]:
        good = [exercise for exercise in super().exercises(seed=seed).more(5) if isinstance(exercise, Exercise)]
        (problem, *_) = super().problems(SETTINGS.problems, seed=seed).source.more(1)
        assert isinstance(problem, Problem)
        wrong = replace(good[0], cases=(Case(good[0].cases[0].arguments, "something else"),))
        leak = replace(
            good[0],
            name="leaked",
            parameters=problem.parameters,
            body=problem.solution,
            text=f"def leaked({', '.join(problem.parameters)}):\n{problem.solution}",
            cases=(),
        )
        failed = Failed("no answer (refused): no")
        return Composed([failed, wrong, leak, good[1], good[1], failed, *good[2:5]], exercise_complaints)


def test_what_is_wrong_is_removed_with_its_reason(tmp_path: Path) -> None:
    figures = _write(tmp_path, _Careless())
    assert figures["exercises"] == len(_rows(tmp_path / "documents")) == 4
    assert figures["removed"] == {
        "duplicate": 1,
        "failed its check": 1,
        "no answer (refused)": 2,
        "same body as a held-out problem": 1,
    }
    removed = _rows(tmp_path / "removed")
    assert "'something else' is right" in removed[1]["reason"]
    (repeated,) = (row for row in removed if row["kept"])
    assert repeated["reason"] == "duplicate"
    assert repeated["kept"] == repeated["id"] == _rows(tmp_path / "documents")[0]["id"]


def test_ids_ignore_what_cannot_be_seen() -> None:
    assert document_id("a \r\nb\n") == document_id("a\nb")
    assert document_id("caf\u00e9") == document_id("cafe\u0301")
    assert document_id("a") != document_id("A")
    assert len(document_id("")) == 32
