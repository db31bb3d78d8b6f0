"""Work that other code made is thrown away only when the user says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer

from hornbook import machine
from hornbook.cli import app
from hornbook.commands.run import agree_to_changes, keep_outdated
from hornbook.errors import UserError
from hornbook.progress import Progress
from hornbook.runs import code
from hornbook.runs.changes import state
from hornbook.runs.run import run
from hornbook.runs.steps import Step


@pytest.fixture
def steps() -> list[Step]:
    return [
        Step(name, "", inputs, {}, ("hornbook.seeds",), lambda inputs, into, progress: {})
        for name, inputs in (("read", ()), ("clean", ("read",)), ("tokens", ("clean",)))
    ]


def asked(steps: list[Step], root: Path, wish: str) -> bool:
    fresh = [Step(one.name, "", one.inputs, {}, one.modules, one.run) for one in steps]  # a step remembers its code
    return keep_outdated(state(fresh, root), fresh, root, wish)  # type: ignore[arg-type]


def test_nothing_is_asked_where_the_code_is_the_same(steps: list[Step], tmp_path: Path) -> None:
    run(steps, tmp_path, progress=Progress())
    assert asked(steps, tmp_path, "ask") is False


def test_changed_code_asks_redoes_or_keeps(steps: list[Step], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(steps[:2], tmp_path, progress=Progress())
    monkeypatch.setattr(code, "_digest", lambda module, with_data: "other")
    assert asked(steps, tmp_path, "keep") is True
    assert asked(steps, tmp_path, "redo") is False
    with pytest.raises(UserError) as caught:  # tests have no terminal to ask on
        asked(steps, tmp_path, "ask")
    told = str(caught.value)
    assert "the code of read, clean has changed" in told
    assert "read, clean, tokens would be made again" in told
    assert "--changed-code redo" in told and "--changed-code keep" in told
    assert "\n" not in told
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    for said, kept in ((True, False), (False, True)):
        monkeypatch.setattr("typer.confirm", lambda words, said=said: said)
        assert asked(steps, tmp_path, "ask") is kept


def test_changed_settings_ask_or_redo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """How much would be done again is told, and done only with the user's word."""

    def made(batch: int) -> list[Step]:
        settings: dict[str, Any] = {"batch": batch, "phase": {"tokens": 100}}
        work: Any = lambda inputs, into, progress: {}  # noqa: E731
        return [
            Step("read", "", (), {}, ("hornbook.seeds",), work),
            Step("train", "", ("read",), settings, ("hornbook.seeds",), work),
            Step("tell", "", ("train",), {}, ("hornbook.seeds",), work),
        ]

    run(made(4), tmp_path, progress=Progress())
    agree_to_changes(state(made(4), tmp_path), tmp_path, [], "ask")
    found = state(made(8), tmp_path)
    agree_to_changes(found, tmp_path, [], "redo")
    agree_to_changes(found, tmp_path, ["train"], "ask")
    with pytest.raises(UserError) as caught:
        agree_to_changes(found, tmp_path, ["tell"], "ask")
    told = str(caught.value)
    assert "made again: train (batch 4 → 8), and after it perhaps tell; up to 0 s of work" in told
    assert "add --changed-settings redo" in told
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("typer.confirm", lambda words: True)
    agree_to_changes(found, tmp_path, [], "ask")
    monkeypatch.setattr("typer.confirm", lambda words: False)
    with pytest.raises(typer.Exit):
        agree_to_changes(found, tmp_path, [], "ask")


@pytest.mark.parametrize("option", ["--force", "--until"])
def test_a_stage_that_is_not_there_is_told_by_a_dry_run_too(option: str) -> None:
    with pytest.raises(UserError, match=r"there is no stage 'token' \(did you mean 'tokens'\?\)"):
        app(["run", "pocket", "--dry-run", option, "token"], standalone_mode=False)


def test_an_equal_stage_of_another_run_is_taken_unless_the_machine_is_told_to_be_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for variable in (machine.BF16, machine.COMPILE):
        monkeypatch.delenv(variable, raising=False)
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("A hornbook was a child's first textbook: one page, printed large. " * 9)

    def told(into: str) -> str:
        texts = f"sources.0.path={tmp_path / 'texts'}"
        app(["run", "prose", texts, "--until", "read", "--into", str(tmp_path / into)], standalone_mode=False)
        return capsys.readouterr().out

    assert "as in" not in told("runs/one")
    assert "as in one" in told("runs/two")
    monkeypatch.setenv(machine.BF16, "0")
    assert "as in" not in told("runs/three")
