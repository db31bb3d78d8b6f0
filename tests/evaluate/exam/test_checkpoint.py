"""The examination in a run: every checkpoint is asked, and leaves a result that can be compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hornbook.errors import UserError
from hornbook.evaluate.benchmark import EvaluateSettings, HeldOut
from hornbook.evaluate.evaluate import evaluate, in_words
from hornbook.evaluate.exam.compare import compare
from hornbook.evaluate.exam.settings import ExamSettings
from hornbook.progress import Progress
from hornbook.recipe import Recipe


def test_checkpoints_are_asked_and_compared(
    own_data: Path, make_checkpoint: Callable[..., tuple[Any, Path]], tmp_path: Path
) -> None:
    models = {"sft": make_checkpoint(1)[1], "dpo": make_checkpoint(2)[1]}
    settings = EvaluateSettings(exam=ExamSettings(benchmarks=("openbookqa",), data=own_data, limit=2))

    def go(into: Path) -> dict[str, Any]:
        return evaluate(models, HeldOut(), settings, into=into, progress=Progress())

    figures = go(tmp_path / "r")
    scores = figures["models"]["dpo"]
    assert scores["exam"]["benchmarks"]["openbookqa"]["n"] == 2
    assert "OpenBookQA" in in_words(scores)
    (found,) = compare(tmp_path / "r" / "exam" / "sft", tmp_path / "r" / "exam" / "dpo")
    assert found.rows == 2
    assert go(tmp_path / "s") == figures
    first, second = (
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name / "exam").rglob("*.*")}
        for name in ("r", "s")
    )
    assert first == second and len(first) == 6  # of each checkpoint exam.json, rows and what stands in front


def test_what_a_recipe_may_say() -> None:
    assert ExamSettings(suite="phi-1").asked == ("humaneval", "mbpp")
    assert ExamSettings(suite="phi-1", benchmarks=("piqa", "piqa")).asked == ("piqa",)
    assert EvaluateSettings().exam is None
    with pytest.raises(ValueError, match=r"mt_bench: an LLM grades the answers, and a run has none; put it to a"):
        EvaluateSettings(exam=ExamSettings(benchmarks=("mt_bench",)))
    assert EvaluateSettings(exam=ExamSettings(suite="phi-3")).exam is not None
    with pytest.raises(ValueError, match=r"there is no suite 'phi1' \(did you mean 'phi-1'\?\)"):
        ExamSettings(suite="phi1")
    assert "exam" in Recipe.model_fields["evaluate"].annotation.model_fields  # type: ignore[union-attr]


def test_a_missing_file_ends_a_run_in_one_line(
    make_checkpoint: Callable[..., tuple[Any, Path]], tmp_path: Path
) -> None:
    settings = EvaluateSettings(exam=ExamSettings(benchmarks=("piqa",), data=tmp_path))
    with pytest.raises(UserError, match=r"piqa: piqa_test\.json is not in"):
        evaluate({"sft": make_checkpoint(1)[1]}, HeldOut(), settings, into=tmp_path / "r", progress=Progress())
