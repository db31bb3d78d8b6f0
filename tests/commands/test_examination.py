"""`hornbook evaluate --tasks`, `--list`, `compare` and `show` of an examination."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hornbook.cli import app
from hornbook.errors import UserError

ROWS = [{"q": f"value {n} is", "c": ["one", "two", "three"], "a": n % 3} for n in range(8)]
PAGE = """
title = "Mine"
about = "of my own"
source = "my desk"
score = "choice"
prompt = "{{ q }}"
choices = "c"
gold = "a"
files = [{ file = "mine.jsonl" }]
"""


def told(*words: object) -> str:
    done = CliRunner().invoke(app, list(map(str, words)), env={"COLUMNS": "100"})
    assert done.exit_code == 0, done.output or done.exception
    return done.output


def refused(*words: object) -> str:
    done = CliRunner().invoke(app, list(map(str, words)))
    assert isinstance(done.exception, UserError), done.output
    return str(done.exception)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    (folder / "mine.toml").write_text(PAGE)
    return folder


@pytest.fixture
def models(make_checkpoint: Callable[..., tuple[Any, Path]]) -> list[Path]:
    return [make_checkpoint(seed)[1] for seed in (1, 2)]


def test_a_page_of_ones_own_from_the_command_line(data: Path, models: list[Path], tmp_path: Path) -> None:
    for name, model in zip("ab", models, strict=True):
        out = told("evaluate", model, "--tasks", "mine", "--data", data, "--into", tmp_path / name)
        assert "Mine" in out and f"hornbook show {tmp_path / name} --of mine" in out.replace("\n", "")
    figures = json.loads(
        told("evaluate", models[0], "--tasks", "mine", "--data", data, "--into", tmp_path / "a", "--json")
    )
    assert figures["benchmarks"]["mine"]["n"] == 8
    shown = told("show", tmp_path / "a", "--of", "mine", "--sample", 2)
    assert "2 of 8 answers to mine" in shown and "right" in shown and "picked" in shown and "value " in shown
    compared = told("compare", tmp_path / "a", tmp_path / "b", "--flipped", 1)
    assert "Mine" in compared and "McNemar" in compared
    (one,) = json.loads(told("compare", tmp_path / "a", tmp_path / "b", "--json"))
    assert one["rows"] == 8 and len(one["flipped"]) == one["gained"] + one["lost"]
    told("report", tmp_path / "a")
    assert "examination" in (tmp_path / "a.html").read_text()
    assert json.loads(told("report", tmp_path / "a", "--json"))["benchmarks"]["mine"]["n"] == 8
    assert "asked mine" in refused("show", tmp_path / "a", "--of", "yours")
    assert "2 of 8 answers to mine" in told("show", tmp_path / "a", "--sample", 2)


def test_of_several_benchmarks_one_is_named(data: Path, models: list[Path], tmp_path: Path) -> None:
    for kind in ("toml", "jsonl"):
        (data / f"yours.{kind}").write_text((data / f"mine.{kind}").read_text().replace("mine.jsonl", "yours.jsonl"))
    out = told("evaluate", models[0], "--tasks", "mine,yours", "--data", data, "--into", tmp_path / "a")
    assert f"hornbook show {tmp_path / 'a'} --of NAME, which is mine or yours" in out.replace("\n", "")
    assert "asked mine, yours; name one with --of" in refused("show", tmp_path / "a")


def test_what_there_is(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = told("evaluate", "--list", "--data", data)
    assert "mine.jsonl" in out and "hellaswag" in out and "missing" in out
    monkeypatch.setenv("HORNBOOK_BENCHMARKS", str(data))
    assert told("evaluate", "--list", "--data", data) == told("evaluate", "--list")
    monkeypatch.delenv("HORNBOOK_BENCHMARKS")
    assert "No folder of benchmarks is named" in told("evaluate", "--list")


def test_a_suite_is_a_papers_table(models: list[Path], tmp_path: Path) -> None:
    (tmp_path / "HumanEval.jsonl").write_text(
        json.dumps(
            {
                "task_id": "a",
                "prompt": "def f():\n",
                "entry_point": "f",
                "canonical_solution": "    return 1\n",
                "test": "def check(candidate):\n    assert candidate() == 1\n",
            }
        )
    )
    out = told("evaluate", models[0], "--suite", "phi-1", "--data", tmp_path, "--into", tmp_path / "r")
    assert "HumanEval" in out and "50.6%" in out and "55.5%" in out and "not asked" in out
    assert "mbpp.jsonl is not in" in out and "arXiv:2306.11644" in out


def test_mistakes_are_told(data: Path, models: list[Path]) -> None:
    model = models[0]
    assert "there is no suite 'phi3' (did you mean 'phi-3'?)" in refused("evaluate", model, "--suite", "phi3")
    assert "no benchmark 'arc'" in refused("evaluate", model, "--tasks", "arc", "--data", data)
    assert "--data belongs to benchmarks" in refused("evaluate", model, "--suite", "long", "--data", data)
    assert "--samples belongs to the other suite" in refused("evaluate", model, "--tasks", "mine", "--samples", 2)
    assert "--limit belongs to benchmarks; name some with --tasks" in refused("evaluate", model, "--limit", 3)
    assert "--into belong to the other suites" in refused("evaluate", model, "--into", data)
    assert "name a model" in refused("evaluate")
    assert "limt is not a setting (did you mean 'limit'?)" in refused(
        "evaluate", model, "limt=3", "--tasks", "mine", "--data", data
    )
