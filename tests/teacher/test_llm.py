from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from hornbook.errors import UserError
from hornbook.files import read_jsonl
from hornbook.model.tokenizers import END, Tokenizer
from hornbook.progress import Progress
from hornbook.sandbox.sandbox import isolation
from hornbook.teacher.choose import writer
from hornbook.teacher.kinds.template import FOLDER, load
from hornbook.teacher.llm import LlmGrader, LlmWriter
from hornbook.teacher.rubrics import load as load_rubric
from hornbook.teacher.settings import TeacherSettings, WriteSettings
from hornbook.teacher.write import write
from hornbook.train.dpo import encode_pairs
from hornbook.train.rows import encode_rows, laid_out

UNISOLATED = not isolation().isolated


def test_grades_in_order(start_teacher: Callable[..., Any], ask: Callable[..., Any]) -> None:
    def change(body: dict[str, Any], said: dict[str, Any]) -> Any:
        text = str(body["messages"])
        return "not a grade" if "bad text" in text else {"reason": "seen", "score": 5 if "great" in text else 1}

    grader = LlmGrader(ask(start_teacher(change)), load_rubric("educational"))
    first, none, last = grader.grade(["great text", "bad text", "dull text"])
    assert none is None
    assert first is not None and (first.score, first.reason) == (5, "seen")
    assert last is not None and last.score == 1
    assert grader.name == "small (educational)"


def test_documents_of_which_none_gets_a_grade_end_the_grading(
    start_teacher: Callable[..., Any], ask: Callable[..., Any]
) -> None:
    teacher = start_teacher(lambda body, said: {"reason": "x"} if "bad text" in str(body["messages"]) else said)
    grader = LlmGrader(ask(teacher, window=10), load_rubric("educational"))
    with pytest.raises(
        UserError, match=r"of the first 25 documents not one got a grade \(the last: invalid, .*no 'score'"
    ):
        grader.grade([f"bad text {number}" for number in range(500)])
    assert len(teacher.requests) < 100
    grades = grader.grade([f"{'good' if number == 24 else 'bad'} text {number}" for number in range(30)])
    assert [number for number, grade in enumerate(grades) if grade] == [24]


def test_the_write_stage_with_an_llm(
    tmp_path: Path, start_teacher: Callable[..., Any], ask: Callable[..., Any]
) -> None:
    settings = WriteSettings(exercises=30, problems=3, conversations=10, preferences=4)

    def go(folder: str) -> dict[str, Any]:
        writer = LlmWriter(ask(teacher), load("exercises"))
        return write(writer, settings, seed=1, into=tmp_path / folder, progress=Progress(), allow_unisolated=UNISOLATED)

    teacher = start_teacher()
    figures = go("a")
    assert figures["exercises"] == 30
    problems = list(read_jsonl(tmp_path / "a" / "problems.jsonl"))
    assert len(problems) == 3
    exercises = pq.read_table(tmp_path / "a" / "documents").to_pylist()
    names = {re.search(r"def (\w+)\(", row["text"])[1] for row in exercises}  # type: ignore[index]
    assert not names & {problem["name"] for problem in problems}
    assert {row["composition"] for row in [*exercises, *problems]} == {""}, "nothing of it is composed of known parts"
    assert figures["conversations"]
    assert "doubled" in problems[0]["question"]
    sent = len(teacher.requests)
    assert go("b") == figures
    assert len(teacher.requests) == sent


def _everything(url: str, tmp_path: Path, **parts: Any) -> TeacherSettings:
    return TeacherSettings(endpoints=(f"{url}#small",), cache=str(tmp_path / "answers"), **parts)


def _write(settings: TeacherSettings, tmp_path: Path, folder: str, base: Path | None = None) -> dict[str, Any]:
    with writer(settings, base or tmp_path, Progress()) as teacher:
        return write(
            teacher,
            WriteSettings(exercises=40, problems=4, conversations=40, preferences=20),
            seed=1,
            into=tmp_path / folder,
            progress=Progress(),
            allow_unisolated=UNISOLATED,
        )


def test_what_an_llm_says_reaches_fine_tuning_and_preferences(
    tmp_path: Path, tokenizer_folder: Path, start_teacher: Callable[..., Any]
) -> None:
    """Conversations, refusals and pairs by the LLM, with what only the built-in teacher has, as rows of token ids."""
    parts = {"exercises": False, "conversations": 1.0, "preferences": 1.0, "refusals": 1.0}
    settings = _everything(start_teacher().url, tmp_path, **parts)
    figures = _write(settings, tmp_path, "a")
    assert figures["teacher"] == "builtin and small"
    harmless = "harmless, though it sounds harmful"
    assert figures["conversations"] == {"chats": 34, "compliance": 2, "harmful": 2, harmless: 2}
    assert figures["preferences"] == {"harmful": 3, harmless: 3, "preferences": 14}
    assert figures["conversations_removed"] == figures["preferences_removed"] == {}

    tokenizer = Tokenizer(tokenizer_folder)
    rows = list(read_jsonl(tmp_path / "a" / "conversations.jsonl"))
    assert {row["kind"] for row in rows[:30]} > {"chats"}  # those of one kind do not stand together
    said = [row["messages"] for row in rows]
    encoded = encode_rows(said, tokenizer, 4_000)
    ids, mask, _ = laid_out(encoded.fitting, 4_000, tokenizer.pad)
    assert (encoded.too_long, encoded.refused) == (0, {})
    assert (mask & (ids == tokenizer.control(END))).sum() == sum(len(messages) for messages in said) // 2
    pairs = encode_pairs(list(read_jsonl(tmp_path / "a" / "preferences.jsonl")), tokenizer, 4_000).fitting
    assert len(pairs) == 20
    assert all(pair.chosen.ids != pair.rejected.ids for pair in pairs)
    assert _write(settings, tmp_path, "b") == figures
    for name in ("conversations.jsonl", "preferences.jsonl"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_part_of_them(tmp_path: Path, start_teacher: Callable[..., Any]) -> None:
    settings = _everything(start_teacher().url, tmp_path, exercises=False, conversations=0.5)
    kinds = _write(settings, tmp_path, "a")["conversations"]
    assert kinds["chats"] == 17
    assert 12 <= kinds["task"] <= 16
    assert sum(kinds.values()) == 40


OWN_CHATS = """
prompt = "Talk about {thing}, number {number}."
[draw.thing]
choose = ["a bird"]
[draw.number]
choose = [%s]
[answer.talk]
type = "array"
[answer.talk.items]
type = "object"
[text]
turns = "talk"
"""


def test_bad_rows_are_dropped_with_their_reasons_and_end_nothing(
    tmp_path: Path, start_teacher: Callable[..., Any]
) -> None:
    def change(body: dict[str, Any], said: dict[str, Any]) -> Any:
        prompt = body["messages"][-1]["content"]
        if "worse" in said:
            return {**said, "worse": said["better"]} if len(prompt) % 3 == 0 else said
        if "talk" not in said:
            return said
        number = int(prompt.rpartition(" ")[2].rstrip("."))
        turns = [{"user": f"What about {number}?", "assistant": f"It is {number}."}]
        bad: list[Any] = [{"user": "?"}, {"user": " ", "assistant": "Yes."}, {"user": 7, "assistant": "No."}]
        if number % 5 == 4:
            return {"talk": []}
        return {"talk": [*turns, bad[number % 5]] if number % 5 < 3 else turns}

    numbers = ", ".join(f'"{number}"' for number in range(500))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "chats.toml").write_text(OWN_CHATS % numbers)
    parts = {"exercises": False, "conversations": 1.0, "preferences": 1.0}
    settings = _everything(start_teacher(change).url, tmp_path, **parts)
    figures = _write(settings, tmp_path, "a", tmp_path / "mine")
    assert figures["conversations"]["chats"] == 34
    assert set(figures["conversations_removed"]) == {"could not be read", "empty"}
    assert figures["preferences"]["preferences"] == 14
    assert set(figures["preferences_removed"]) == {"no difference"}
    for name, kept in (("conversations", "kind"), ("preferences", "chosen")):
        removed = list(read_jsonl(tmp_path / "a" / "removed" / f"{name}.jsonl"))
        assert len(removed) == sum(figures[f"{name}_removed"].values())
        assert all(row["reason"] for row in removed)
        assert all(kept in row for row in removed if not row["reason"].startswith("could not be read"))
    told = {row["reason"].partition(": ")[2] for row in read_jsonl(tmp_path / "a" / "removed" / "conversations.jsonl")}
    assert {"KeyError: 'assistant'", "AttributeError: 'int' object has no attribute 'strip'"} <= told


def test_an_llm_that_writes_no_usable_pair_ends_the_stage_with_one_line(
    tmp_path: Path, start_teacher: Callable[..., Any]
) -> None:
    teacher = start_teacher(lambda body, said: {**said, "worse": said["better"]} if "worse" in said else said)
    settings = _everything(teacher.url, tmp_path, exercises=False, preferences=1.0)
    with pytest.raises(UserError, match=r"preferences: of 70 rows by builtin and small not one passed .*no difference"):
        _write(settings, tmp_path, "a")


def test_templates_of_the_wrong_form_are_told(ask: Callable[..., Any], start_teacher: Callable[..., Any]) -> None:
    asker = ask(start_teacher())
    with pytest.raises(UserError, match="the template stories writes no functions that are run"):
        LlmWriter(asker, load("stories"))
    with pytest.raises(UserError, match="the template stories writes no conversations"):
        LlmWriter(asker, None, {"chats": (load("stories"), 1.0)})


def test_a_template_with_one_name_leaves_none_for_problems(
    tmp_path: Path, ask: Callable[..., Any], start_teacher: Callable[..., Any]
) -> None:
    text = (FOLDER / "exercises.toml").read_text().replace('lists = ["function-names"]', 'choose = ["twice"]')
    (tmp_path / "exercises.toml").write_text(text)
    teacher = LlmWriter(ask(start_teacher()), load("exercises", tmp_path))
    with pytest.raises(UserError, match="draws too few names"):
        list(teacher.problems(3, seed=1).source.more(3))


def test_functions_that_are_no_exercises_are_told_why(
    tmp_path: Path, ask: Callable[..., Any], start_teacher: Callable[..., Any]
) -> None:
    def change(body: dict[str, Any], said: dict[str, Any]) -> Any:
        code = {0: "import math\n" + said["code"], 1: said["code"].replace("value", "*value", 1), 2: "def ("}
        turn = len(body["messages"][-1]["content"]) % 4
        return {**said, "code": code.get(turn, said["code"])}

    llm = LlmWriter(ask(start_teacher(change)), load("exercises"))
    settings = WriteSettings(exercises=30, problems=3, conversations=10, preferences=4)
    figures = write(llm, settings, seed=1, into=tmp_path, progress=Progress(), allow_unisolated=UNISOLATED)
    assert figures["exercises"] == 30
    assert set(figures["removed"]) == {"not as asked", "not valid Python"}
    assert sum(figures["removed"].values()) == figures["asked"] - 30
