"""Answers graded by an LLM: what it is shown, what its grades come to, and that its failures are no grades."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tests.audit.rephrasings.conftest import JudgeServer as Teacher
from tests.evaluate.exam.conftest import Parrot
from tests.teacher.client.server import Act, Call, status
from typer.testing import CliRunner

from hornbook.cli import app
from hornbook.errors import UserError
from hornbook.evaluate.exam.candidate import Answered, Conversation
from hornbook.evaluate.exam.declaration import PAGES, find
from hornbook.evaluate.exam.display import notes, scores_table
from hornbook.evaluate.exam.examination import examine
from hornbook.evaluate.exam.grading import NOTHING, SYSTEM, Exchange, Grader
from hornbook.evaluate.exam.questions import solved
from hornbook.evaluate.exam.rules import Question
from hornbook.evaluate.exam.settings import ExamSettings
from hornbook.evaluate.exam.summary import metrics
from hornbook.files import read_jsonl
from hornbook.progress import Progress
from hornbook.report.sections.exam import tables
from hornbook.teacher.client.client import Client
from hornbook.teacher.client.settings import ClientSettings
from hornbook.teacher.client.settings import Endpoint as Address

Connect = Callable[..., Client]


@pytest.fixture
def connect(tmp_path: Path) -> Connect:
    """`connect(url)` is a client that soon gives up."""

    def make(url: str, model: str = "judge", **rest: Any) -> Client:
        quick: dict[str, Any] = {"backoff": 0.01, "longest_pause": 0.02, "attempts": 2, "cache": tmp_path / "cache"}
        return Client(ClientSettings(endpoints=(Address(base_url=url, model=model),), **(quick | rest)))

    return make


def go(candidate: Parrot, data: Path, into: Path, *names: str, teacher: Client | None = None) -> dict[str, Any]:
    return examine(candidate, ExamSettings(benchmarks=names, data=data), Progress(), into, teacher=teacher)


def last_answer(call: Call) -> str:
    return re.findall(r"<answer>\n(.*?)\n</answer>", call.text, re.DOTALL)[-1]


def story(call: Call) -> Act:
    """Grades a story by the figures in it."""
    grammar, creativity, consistency = map(int, re.findall(r"\d+", last_answer(call)))
    grades = {"grammar": grammar, "creativity": creativity, "consistency": consistency}
    return Act(content=json.dumps({"reason": " So it is. ", **grades, "age": "4 to 5"}))


class Writer(Parrot):
    """Writes in turn what it is given; in a conversation the length of it and what was said last."""

    def __init__(self, *texts: str, **rest: Any) -> None:
        super().__init__(**rest)
        self.written = texts

    def texts(self, questions: Sequence[Question], until: Sequence[str], new_tokens: int) -> Iterator[Answered]:
        for question, text in zip(questions, self.written, strict=True):
            self.asked.append(question.id)
            yield Answered(text, 0, 7)

    def replies(self, conversations: Sequence[Conversation], new_tokens: int) -> Iterator[Answered]:
        for turns in conversations:
            self.asked.append(turns[-1]["content"])
            if "Where" in turns[0]["content"] and len(turns) > 1:
                yield Answered(None, unknown="too long")
            else:
                yield Answered(f"{len(turns)} {turns[-1]['content']}", 0, 7)


def test_stories_are_graded(own_data: Path, tmp_path: Path, connect: Connect) -> None:
    with Teacher(story) as server, connect(server.url) as client:
        figures = go(Writer("8 4 6", "10 10 1", "6 1 5"), own_data, tmp_path / "r", "tinystories", teacher=client)
        (first, *_) = [call for call in server.calls if "8 4 6" in call.text]
        assert "<beginning>\nA a sat on a hill and\n</beginning>" in first.text
        assert "- consistency, from 1 to 10: " in first.text and "- age, one of: 3 or under, 4 to 5," in first.text
        assert first.body["temperature"] == 0 and first.body["messages"][0]["content"].startswith(SYSTEM)
    one = figures["benchmarks"]["tinystories"]
    values = {name: found["value"] for name, found in one["metrics"].items()}
    assert values == pytest.approx({"grade": 51 / 90, "grammar": 0.8, "creativity": 0.5, "consistency": 0.4})
    assert (one["n"], one["judge"], one["unknown"]) == (3, {"name": "judge"}, {})
    assert one["classes"]["age"]["4 to 5"] == 3 and one["classes"]["age"]["13 to 16"] == 0
    row = next(read_jsonl(tmp_path / "r" / "rows" / "tinystories.jsonl"))
    assert row["grades"] == [{"grammar": 8, "creativity": 4, "consistency": 6, "age": "4 to 5", "why": "So it is."}]
    assert row["answer"] == "8 4 6"
    told = notes(figures)
    assert "TinyStories, age: 4 to 5 (3)" in told and "TinyStories: judged by judge" in told
    shown = tables([("model", {"suite": "", **figures})])
    assert shown is not None
    parts = {part["title"]: part["grade"]["value"] for part in shown["grades"]}
    assert next(iter(parts)) == "TinyStories" and parts["TinyStories, creativity"] == pytest.approx(5.0)
    console = Console(width=100, record=True, file=(tmp_path / "out").open("w"))
    console.print(scores_table(figures))
    assert "TinyStories, creativity" in console.export_text() and "5.00" in (tmp_path / "out").read_text()


def test_dialogues_are_graded_turn_by_turn(own_data: Path, tmp_path: Path, connect: Connect) -> None:
    def judge(call: Call) -> Act:
        grade = {"1": 9, "3": 4}[last_answer(call)[0]]
        return Act(content=json.dumps({"reason": "r", "quality": grade}))

    writer = Writer()
    with Teacher(judge) as server, connect(server.url) as client:
        figures = go(writer, own_data, tmp_path / "r", "mt_bench", teacher=client)
        asked = {last_answer(call): call.text for call in server.calls}
    assert writer.asked == [
        *("Which of these is warm?", "What do bees make?", "Where do fish live?"),
        *("Why math?", "Why writing?", "Why math?"),
    ]
    second = asked["3 Why math?"]
    assert "<assistant>\n1 Which of these is warm?\n</assistant>" in second and "<reference>" not in second
    assert "<reference>\nIt is a candle.\n</reference>" in asked["1 Which of these is warm?"]
    one = figures["benchmarks"]["mt_bench"]
    values = {name: found["value"] for name, found in one["metrics"].items()}
    assert values == pytest.approx({"grade": 0.65, "turn 1": 0.9, "turn 2": 0.4})
    # A dialogue whose second answer is unknown is unknown as a whole, and its first answer is not judged.
    assert one["n"] == 2 and one["unknown"] == {"too long": 1} and len(asked) == 4
    assert set(one["groups"]) == {"math", "writing"} and one["groups"]["math"]["n"] == 1
    rows = list(read_jsonl(tmp_path / "r" / "rows" / "mt_bench.jsonl"))
    assert rows[1]["turns"] == ["What do bees make?", "Why writing?"] and len(rows[1]["answer"]) == 2
    assert "grades" not in rows[2]
    shown = CliRunner().invoke(app, ["show", str(tmp_path / "r"), "--of", "mt_bench"]).output
    first = "[user]\nWhich of these is warm?\n[assistant]\n1 Which of these is warm?\n[user]\nWhy math?\n[assistant]\n"
    assert f"{first}3 Why math?\n[grades] quality 9: r\n[grades] quality 4: r" in shown and "[prompt]" not in shown


FAILURES: dict[str, Callable[[], Act]] = {
    "invalid": lambda: Act(content="I would give it a seven."),
    "refused": lambda: Act(content={"message": {"content": None, "refusal": "I do not judge."}}),
    "empty": lambda: Act(content=" "),
    "timeout": lambda: Act("hang"),
}


@pytest.mark.parametrize("kind", sorted(FAILURES))
def test_a_judges_failure_is_unknown(kind: str, own_data: Path, tmp_path: Path, connect: Connect) -> None:
    def judge(call: Call) -> Act:
        return story(call) if "10 10" in call.text else FAILURES[kind]()

    with Teacher(judge) as server, connect(server.url, timeout=2, retries=0) as client:
        figures = go(Writer("8 4 6", "10 10 10", ""), own_data, tmp_path / "r", "tinystories", teacher=client)
        assert any(NOTHING in call.text for call in server.calls)
    one = figures["benchmarks"]["tinystories"]
    assert one["n"] == 1 and one["metrics"]["grade"]["value"] == 1
    assert one["unknown"] == {f"the judge's answer is {kind}": 2}
    assert [row["answer"] for row in read_jsonl(tmp_path / "r" / "rows" / "tinystories.jsonl")][2] == ""


def test_a_judge_who_is_away_costs_no_answer(own_data: Path, tmp_path: Path, connect: Connect) -> None:
    writer, again, third = (Writer("8 4 6", "10 10 1", "6 1 5") for _ in range(3))
    with Teacher(lambda call: status(401)) as server, connect(server.url) as client, pytest.raises(UserError):
        go(writer, own_data, tmp_path / "r", "tinystories", teacher=client)
    with Teacher(story) as server, connect(server.url) as client:
        figures = go(again, own_data, tmp_path / "r", "tinystories", teacher=client)
        client.settings = client.settings.model_copy(
            update={"endpoints": (Address(base_url=server.url, model="another"),)}
        )
        go(third, own_data, tmp_path / "r", "tinystories", teacher=client)
    assert (len(writer.asked), again.asked, third.asked) == (3, [], [])
    assert figures["benchmarks"]["tinystories"]["n"] == 3


def test_from_the_command_line(
    own_data: Path, make_checkpoint: Callable[..., tuple[Any, Path]], tmp_path: Path
) -> None:
    page = (PAGES / "tinystories.toml").read_text().replace("new_tokens = 300", "new_tokens = 4")
    (own_data / "tinystories.toml").write_text(page)
    grades = {"reason": "Short.", "grammar": 7, "creativity": 2, "consistency": 3, "age": "3 or under"}

    def told(*words: object) -> str:
        variables = {"COLUMNS": "100", "XDG_CACHE_HOME": str(tmp_path)}
        done = CliRunner().invoke(app, list(map(str, words)), env=variables)
        assert done.exit_code == 0, done.output or done.exception
        return done.output

    with Teacher(lambda call: Act(content=json.dumps(grades))) as server:
        out = told(
            *("evaluate", make_checkpoint(1)[1], "--tasks", "tinystories", "--data", own_data),
            *("--teacher", f"{server.url}#judge", "--into", tmp_path / "r"),
        )
    assert "TinyStories, grammar" in out and "7.00" in out and "TinyStories: judged by judge" in out
    assert "age: 3 or under (3)" in out
    shown = told("show", tmp_path / "r", "--of", "tinystories", "--sample", 1)
    assert "[grades] age 3 or under, consistency 3, creativity 2, grammar 7: Short." in shown
    assert "sat on a hill and" in shown


def test_without_a_judge_nothing_is_graded(own_data: Path, tmp_path: Path) -> None:
    figures = go(Parrot(), own_data, tmp_path / "r", "mt_bench", "piqa", "tinystories")
    assert list(figures["benchmarks"]) == ["piqa"]
    assert "graded by an LLM; name one with --teacher" in figures["missing"]["mt_bench"]
    assert solved(find("tinystories"), {"beginning": "A cat"}) == "A cat"


def test_a_prompt_that_cannot_be_shown_is_told(connect: Connect) -> None:
    rubric = find("tinystories").judge
    assert rubric is not None
    with Teacher(story) as server, connect(server.url) as client:
        grader = Grader(client, rubric.model_copy(update={"prompt": "{{ asked }} {{ picture }}"}))
        with pytest.raises(UserError, match=r"judge\.prompt can't be shown: 'picture' is undefined"):
            grader([Exchange("a", "b")])
        changed = Grader(client, rubric.model_copy(update={"classes": {}}))
        assert changed.identity != Grader(client, rubric).identity


def test_means_of_grades_have_students_interval() -> None:
    rows = [{"metrics": {"grade": value}, "grades": []} for value in (0.4, 0.6, 0.5, 0.7)]
    low, high = metrics(rows)["grade"]["interval"]
    assert (low, high) == (pytest.approx(0.55 - 0.20542, abs=1e-4), pytest.approx(0.55 + 0.20542, abs=1e-4))
    assert metrics(rows[:1])["grade"]["interval"] == [0.1, 1.0]
    same = metrics([{"metrics": {"grade": 0.1}, "grades": []}] * 8)["grade"]
    assert same["interval"][0] <= same["value"] <= same["interval"][1]
    assert same["interval"] == pytest.approx([0.1, 0.1])
