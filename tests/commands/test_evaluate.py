"""`hornbook evaluate`: settings as recipes have them, and which problems are meant."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hornbook.cli import app
from hornbook.errors import UserError
from hornbook.runs.manifest import Manifest


def refused(*arguments: object) -> str:
    done = CliRunner().invoke(app, ["evaluate", *map(str, arguments)])
    assert isinstance(done.exception, UserError), done.output
    return str(done.exception)


@pytest.fixture
def run(make_checkpoint: Callable[..., tuple[Any, Path]], tmp_path: Path) -> Path:
    """A run that trained a model and wrote no problems."""
    _, model = make_checkpoint()
    stage = tmp_path / "runs" / "my" / "01-pretrain"
    stage.mkdir(parents=True)
    model.rename(stage / "phase2")
    told = [{"name": "phase2", "folder": "phase2", "title": "phase 2", "shrunk": False}]
    Manifest("pretrain", "", {}, {}, "", {}, 0.0, 0, {}, checkpoints=told).write(stage)
    return stage.parent


def test_a_run_without_problems_says_so(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "my held no problems out: it has no stage write; name others with --problems" in refused(run)
    monkeypatch.chdir(run.parents[1])
    assert "my held no problems out" in refused("runs/my")
    (run / "01-pretrain" / "phase2").rename(run.parents[1] / "model")
    assert "model belongs to no run; name the problems with --problems" in refused("model")


def test_checkpoints_are_not_for_one_model(run: Path) -> None:
    assert "checkpoints is for recipes" in refused(run, 'checkpoints=["phase2"]')


def test_settings_are_those_of_recipes(run: Path) -> None:
    assert "evaluate.bach is not a setting (did you mean 'batch'?)" in refused(run, "bach=4")
    assert "evaluate.bach is not a setting (did you mean 'batch'?)" in refused(run, "evaluate.bach=4")
    assert "new_tokens: input should be greater than or equal to 1 (given: 0)" in refused(run, "new_tokens=0")
    assert "sample is not a setting (did you mean 'samples'?)" in refused(run, "--suite", "long", "sample=4")


def test_results_of_something_else_are_not_replaced(run: Path, tmp_path: Path) -> None:
    for text in ("mine", json.dumps({"suite": "short"})):
        (tmp_path / "results").mkdir(exist_ok=True)
        (tmp_path / "results" / "long.json").write_text(text)
        told = refused(run, "--suite", "long", "--lengths", "64", "--into", tmp_path / "results")
        assert "long.json is there already and holds something else" in told
        assert (tmp_path / "results" / "long.json").read_text() == text
