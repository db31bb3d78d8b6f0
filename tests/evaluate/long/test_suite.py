from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from hornbook import cli
from hornbook.evaluate.long import suite
from hornbook.evaluate.long.prompt import Prompter, Question
from hornbook.evaluate.long.settings import LongSettings
from hornbook.evaluate.long.suite import HEATMAP, RESULTS, identity, run_suite
from hornbook.evaluate.long.tasks import TASKS
from hornbook.progress import Progress

Answerer = Callable[[Sequence[Question]], list[str]]


@pytest.fixture(autouse=True)
def no_picture(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes longer than all else; one test draws."""
    if request.node.name != "test_the_command_from_end_to_end":
        monkeypatch.setattr(suite, "svg", lambda figures: "<svg/>" if figures["grid"] else "")


@pytest.fixture
def settings(question_file: Path) -> LongSettings:
    return LongSettings(lengths=(700, 2100), samples=1, depths=(0, 60), questions=question_file)


def run(answer: Answerer, pieces: Any, settings: LongSettings, into: Path, name: str = "model") -> dict[str, Any]:
    return run_suite(answer, Prompter(pieces), 4096, settings, Progress(), into, identity=name)


@pytest.mark.parametrize("chat", [False, True])
def test_who_reads_the_prompt_finds_everything(
    oracle: Answerer, pieces: Any, settings: LongSettings, tmp_path: Path, chat: bool
) -> None:
    figures = run_suite(oracle, Prompter(pieces, chat=chat), 4096, settings, Progress(), tmp_path, identity="oracle")
    assert set(figures["tasks"]) == set(TASKS)
    for row in figures["tasks"].values():
        assert set(row) == {"700", "2100"}
        assert {cell["score"] for cell in row.values()} == {1.0}
        assert {cell["n"] for cell in row.values()} == {2}
    assert {cell["score"] for cell in figures["average"].values()} == {1.0}
    assert figures["skipped"] == []
    assert json.loads((tmp_path / RESULTS).read_text()) == figures
    assert (tmp_path / HEATMAP).is_file()


def test_who_does_not_read_it_finds_nothing(
    parrot: Answerer, pieces: Any, settings: LongSettings, tmp_path: Path
) -> None:
    figures = run(parrot, pieces, settings, tmp_path)
    assert {cell["score"] for row in figures["tasks"].values() for cell in row.values()} == {0.0}
    assert all(result["interval"][0] == 0 < result["interval"][1] for result in figures["grid"])


def test_an_interrupted_run_goes_on(oracle: Answerer, pieces: Any, settings: LongSettings, tmp_path: Path) -> None:
    asked: list[str] = []

    def stopping(questions: Sequence[Question]) -> list[str]:
        if len(asked) > 10:
            raise KeyboardInterrupt
        asked.extend(question.text for question in questions)
        return oracle(questions)

    def counting(questions: Sequence[Question]) -> list[str]:
        asked.extend(question.text for question in questions)
        return oracle(questions)

    with pytest.raises(KeyboardInterrupt):
        run(stopping, pieces, settings, tmp_path / "one")
    done = len(asked)
    assert not (tmp_path / "one" / RESULTS).exists()
    figures = run(counting, pieces, settings, tmp_path / "one")
    assert figures == run(oracle, pieces, settings, tmp_path / "two")
    assert len(asked) == len(set(asked)) == sum(result["n"] for result in figures["grid"])
    assert done > 10
    for path in sorted((tmp_path / "two").rglob("*.*")):
        assert path.read_bytes() == (tmp_path / "one" / path.relative_to(tmp_path / "two")).read_bytes()


def test_another_model_seed_or_text_is_asked_afresh(oracle: Answerer, pieces: Any, tmp_path: Path) -> None:
    calls: list[int] = []

    def counting(questions: Sequence[Question]) -> list[str]:
        calls.append(len(questions))
        return oracle(questions)

    (tmp_path / "text.txt").write_text("A sentence of a book. Another one! " * 300)
    base = {"tasks": ("passkey", "needle-text"), "lengths": (600,), "samples": 1, "depths": (50,)}
    for options, name, expected in (
        ({}, "model", 2),
        ({}, "model", 0),
        ({}, "other", 2),
        ({}, "other", 0),
        ({"seed": 1}, "other", 2),
        ({"text": tmp_path / "text.txt"}, "other", 2),
        ({"text": tmp_path / "text.txt", "tasks": ("passkey",)}, "other", 0),
    ):
        calls.clear()
        run(counting, pieces, LongSettings(**(base | options)), tmp_path / "out", name)
        assert len(calls) == expected


def test_short_prompts_are_asked_together(oracle: Answerer, pieces: Any, tmp_path: Path) -> None:
    together: list[int] = []

    def counting(questions: Sequence[Question]) -> list[str]:
        together.append(len(questions))
        return oracle(questions)

    settings = LongSettings(tasks=("variables",), lengths=(500, 2000), samples=3, depths=(0,), tokens_at_once=1000)
    run(counting, pieces, settings, tmp_path)
    assert together == [2, 1, 1, 1, 1]


def test_what_cannot_be_asked_is_said(oracle: Answerer, pieces: Any, tmp_path: Path) -> None:
    rows = [{"question": f"Q{n}?", "answer": f"a{n}", "paragraph": f"Short {n}: a{n}."} for n in range(5)]
    few = tmp_path / "few.jsonl"
    few.write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = LongSettings(tasks=("common-words", "reading"), lengths=(200, 1000), samples=1, questions=few)
    figures = run(lambda asked: [""] * len(asked), pieces, settings, tmp_path)
    why = {(one["task"], one["length"]): one["why"] for one in figures["skipped"]}
    assert "the task needs" in why["common-words", 200]
    assert "there is text for" in why["reading", 1000]
    assert ("common-words", 1000) not in why
    without = run(oracle, pieces, LongSettings(tasks=("reading",), lengths=(200,)), tmp_path)
    assert without["skipped"] == [{"task": "reading", "length": None, "why": "it needs --questions, a JSONL file"}]
    assert without["tasks"] == {}


def test_identity_is_of_what_is_in_the_folder(make_checkpoint: Callable[..., Any]) -> None:
    (_, one), (_, two) = make_checkpoint(0), make_checkpoint(1)
    assert identity(one) == identity(one) != identity(two)


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["hornbook", "evaluate", *arguments])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 0


def test_the_command_from_end_to_end(
    make_checkpoint: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, folder = make_checkpoint(0, context=1024)
    options = [
        "--suite",
        "long",
        "--tasks",
        "passkey,multikey",
        "--lengths",
        "1K",
        "--samples",
        "1",
        "--depths",
        "50",
    ]
    options += ["--into", str(tmp_path / "out")]
    command(monkeypatch, str(folder), *options, "--json")
    figures = json.loads(capsys.readouterr().out)
    assert figures == json.loads((tmp_path / "out" / RESULTS).read_text())
    assert figures["tasks"]["passkey"]["1024"]["n"] == figures["tasks"]["multikey"]["1024"]["n"] == 1
    assert figures["asked"] == "in chat"
    assert ">passkey<" in (tmp_path / "out" / HEATMAP).read_text()
    answers = json.loads((tmp_path / "out" / "grid" / "passkey-1024-50.json").read_text())["result"]["answers"]
    assert [(len(one["expected"]), 1000 < one["tokens"] <= 1024) for one in answers] == [(1, True)]

    monkeypatch.setattr(suite, "answered", lambda *_: pytest.fail("it was asked before"))
    command(monkeypatch, str(folder), *options)
    shown = capsys.readouterr().out
    assert "passkey by depth" in shown
    assert "multikey" in shown
    assert "Every answer:" in shown


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--suite", "lang"], "there is no suite 'lang'"),
        (["--lengths", "512"], "--lengths belongs to the other suite; add --suite long"),
        (["--suite", "long", "--lengths", "64K"], "beyond the model's context of 64 tokens"),
        (["--suite", "long", "--text", "nowhere"], "nowhere does not exist"),
    ],
)
def test_mistakes_end_in_one_line(
    options: list[str],
    message: str,
    make_checkpoint: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, folder = make_checkpoint(0)
    monkeypatch.setattr(sys, "argv", ["hornbook", "evaluate", str(folder), *options])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    assert message in capsys.readouterr().err
