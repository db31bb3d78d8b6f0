"""`hornbook redteam` from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hornbook.cli import app
from hornbook.errors import UserError
from hornbook.evaluate.safety import classifier
from hornbook.evaluate.safety.judge import Opinion


def test_a_page_and_conversations(make_checkpoint: Callable[..., tuple[Any, Path]], tmp_path: Path) -> None:
    folder = make_checkpoint(1, context=200)[1]
    words = ["redteam", str(folder), "--limit", "2", "--families", "direct, translation", "new_tokens=6"]
    done = CliRunner().invoke(app, [*words, "--into", str(tmp_path / "r")], env={"COLUMNS": "110"})
    assert done.exit_code == 0, done.output or done.exception
    assert "translation" in done.output and "all but direct" in done.output
    assert (tmp_path / "r" / "redteam.html").read_text().startswith("<!DOCTYPE html>")
    assert len((tmp_path / "r" / "rows.jsonl").read_text().splitlines()) == 4
    done = CliRunner().invoke(app, [*words, "--into", str(tmp_path / "r"), "--json"])
    assert json.loads(done.output) == json.loads((tmp_path / "r" / "redteam.json").read_text())
    done = CliRunner().invoke(app, ["compare", str(tmp_path / "r"), str(tmp_path / "r")])
    assert done.exit_code == 0 and "translation" in done.output and "all" in done.output
    done = CliRunner().invoke(app, ["show", str(tmp_path / "r" / "rows.jsonl"), "--sample", "1"])
    assert done.exit_code == 0 and "[user]" in done.output and "[assistant]" in done.output
    wrong = CliRunner().invoke(app, [*words, "tryes=2", "--into", str(tmp_path / "r")])
    assert isinstance(wrong.exception, UserError) and "did you mean 'tries'?" in str(wrong.exception)


def test_what_got_through_is_trained_away(
    make_checkpoint: Callable[..., tuple[Any, Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training and all, of a model that babbles, which this judge takes for compliance."""
    monkeypatch.setattr(classifier, "offline", Sure)
    folder = make_checkpoint(1, context=400)[1]
    words = ["redteam", str(folder), "--fix", "--rounds", "1", "--limit", "2", "--families", "direct,role play"]
    words += ["held_out=role play", "attacked=2", "new_tokens=5", "max_tokens=900", "sft.batch=1", "dpo.batch=1"]
    words += ["sft.precision=fp32", "dpo.precision=fp32", "--into", str(tmp_path / "r")]
    done = CliRunner().invoke(app, words, env={"COLUMNS": "110"})
    assert done.exit_code == 0, done.output or done.exception
    assert "Attacks never learnt from succeed in 100.0%" in done.output and "xstest.csv" in done.output
    assert (tmp_path / "r" / "fix.html").read_text().startswith("<!DOCTYPE html>")
    figures = json.loads((tmp_path / "r" / "fix.json").read_text())
    assert 0 < figures["rounds"][1]["tokens"] <= 900
    assert figures["rounds"][1]["model"] == "round-1/dpo/model" in done.output.replace("\n", "")
    models = [tmp_path / "r" / "round-1" / stage / "model" / "config.json" for stage in ("sft", "dpo")]
    times = [path.stat().st_mtime_ns for path in models]
    done = CliRunner().invoke(app, [*words, "--json"])
    assert json.loads(done.output) == figures and [path.stat().st_mtime_ns for path in models] == times


def test_rounds_are_for_fixing_a_folder(tmp_path: Path) -> None:
    wrong = CliRunner().invoke(app, ["redteam", "x", "--rounds", "2"])
    assert "are for --fix" in str(wrong.exception)
    wrong = CliRunner().invoke(app, ["redteam", "http://localhost:1/v1", "--fix"])
    assert "--fix trains the model of a folder" in str(wrong.exception)


class Sure:
    """A judge that takes every answer for compliance."""

    identity = "sure"

    def about(self) -> dict[str, Any]:
        return {"name": "nobody"}

    def __call__(self, asked: Sequence[tuple[str, str]]) -> list[Opinion]:
        return [Opinion("compliance") for _ in asked]
