from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hornbook.errors import UserError
from hornbook.evaluate import evaluate as module
from hornbook.evaluate.benchmark import Benchmark, EvaluateSettings, HeldOut, Result, Subject
from hornbook.evaluate.evaluate import BENCHMARKS, EVALUATE, EvaluateStageSettings, evaluate, evaluate_one, in_words
from hornbook.files import write_json
from hornbook.progress import Progress
from hornbook.runs.stage import Work


@pytest.fixture
def letters(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """In place of all benchmarks one that counts the letters of a checkpoint's name; what was asked so far."""
    asked: list[str] = []

    def run(subject: Subject, items: str) -> Result:
        asked.append(subject.name)
        return Result({"letters": len(subject.name)}, [items])

    counts = Benchmark("letters", lambda held_out, settings: "how many?", run, lambda scores: f"{scores['letters']}!")
    silent: Benchmark[str] = Benchmark("silent", lambda held_out, settings: "", lambda subject, items: None)
    absent = Benchmark("absent", lambda held_out, settings: None, run)
    monkeypatch.setattr(module, "BENCHMARKS", (counts, silent, absent))
    return asked


def test_a_benchmark_is_one_declaration(
    letters: list[str], make_checkpoint: Callable[..., tuple[Any, Path]], tmp_path: Path
) -> None:
    _, folder = make_checkpoint(1)
    models = {"sft": folder, "phase1": folder}

    def go() -> dict[str, Any]:
        return evaluate(models, HeldOut(), EvaluateSettings(), into=tmp_path, progress=Progress())

    figures = go()
    assert figures["models"] == {"sft": {"letters": {"letters": 3}}, "phase1": {"letters": {"letters": 6}}}
    assert json.loads((tmp_path / "sft.json").read_text()) == {
        "precision": "fp32",
        "scores": {"letters": {"letters": 3}},
        "letters": ["how many?"],
    }
    assert in_words(figures["models"]["sft"]) == "3!"
    assert go() == figures
    assert letters == ["sft", "phase1"]
    again = evaluate_one(folder, HeldOut(), EvaluateSettings(), name="dpo", progress=Progress())
    assert again["scores"] == {"letters": {"letters": 3}}


def test_checkpoints_by_name() -> None:
    models = {name: Path(name) for name in ("phase1", "phase2", "sft")}
    assert list(module._chosen(models, ())) == list(models)
    assert list(module._chosen(models, ("sft", "phase1"))) == ["phase1", "sft"]
    with pytest.raises(UserError, match=r"evaluate\.checkpoints: the run leaves no 'phase3' \(did you mean 'phase2'"):
        module._chosen(models, ("sft", "phase3"))


@pytest.mark.parametrize(
    ("names", "asked"), [((), ["before", "phase2"]), (("phase2",), ["phase2"]), (("before",), ["before"])]
)
def test_the_model_that_it_went_on_from_is_one_of_them(
    names: tuple[str, ...], asked: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    write_json(tmp_path / "mine" / "config.json", {})
    monkeypatch.setattr(module, "put_to", lambda models, settings, work: {"models": list(models)})
    settings = EvaluateStageSettings(evaluate=EvaluateSettings(checkpoints=names), initial_model="mine")
    models = {"phase2": tmp_path / "phase2"}
    figures = EVALUATE.run(Work(settings, {}, tmp_path, Progress(), {"models": models}, base=tmp_path))
    assert figures["models"] == asked
    assert ("titles" in figures) == ("before" in asked)


def test_names_and_columns_are_different() -> None:
    names = [benchmark.name for benchmark in BENCHMARKS]
    columns = [column for benchmark in BENCHMARKS for column in benchmark.columns]
    assert len(set(names)) == len(names)
    assert len(set(columns)) == len(columns)
