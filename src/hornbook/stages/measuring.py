"""The stages that measure a model, shrink it, and tell about it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hornbook.evaluate.benchmark import EvaluateSettings
from hornbook.evaluate.samples import SamplesSettings
from hornbook.quantize.quantize import QuantizeSettings
from hornbook.runs.effort import Effort
from hornbook.runs.stage import Checkpoint, Input, Stage, Work
from hornbook.runs.steps import EVERY_STAGE
from hornbook.settings import Settings

CASES = 60.0  # problems a second that are answered and run
TRAINED = ("pretrain", "sft", "dpo")
PROBLEMS = Input("written", ("write",), "A folder with problems.jsonl and safety.jsonl in it.")
TOKENS = Input("tokens", ("tokens",), "What `hornbook tokens` made.")
MODELS = Input("models", TRAINED, "Models to measure.", checkpoint=True, every=True)


class EvaluateStage(Settings):
    """What the evaluate stage depends on."""

    evaluate: EvaluateSettings = EvaluateSettings()


def put_to(models: Mapping[str, Path], settings: EvaluateSettings, work: Work[Any]) -> dict[str, Any]:
    """The run's own problems and requests, put to each of these models."""
    from hornbook.evaluate.benchmark import HeldOut
    from hornbook.evaluate.evaluate import evaluate

    return evaluate(
        models,
        HeldOut.of(work.inputs["written"], work.inputs["tokens"]),
        settings,
        into=work.into,
        progress=work.progress,
        allow_unisolated=work.allow_unisolated,
    )


def passed(figures: dict[str, Any]) -> str:
    """pass@1 of each model in words."""
    models = figures["models"]
    return ", ".join(f"{name} {scores['pass_at_1']:.1%}" for name, scores in models.items())


def _evaluate(work: Work[EvaluateStage]) -> dict[str, Any]:
    return put_to(work.several["models"], work.settings.evaluate, work)


EVALUATE = Stage(
    name="evaluate",
    summary="every checkpoint on the held-out problems",
    settings=EvaluateStage,
    run=_evaluate,
    inputs=(PROBLEMS, TOKENS, MODELS),
    needs=("write",),
    leave_out=True,
    runs_generated_code=True,
    headline=lambda f: f"pass@1: {passed(f)}",
    estimate=lambda settings, volume: Effort(
        f"4 x {settings.evaluate.problems} problems", 4 * 2 * settings.evaluate.problems / CASES
    ),
)


class QuantizeStage(Settings):
    """What the quantize stage depends on."""

    quantize: QuantizeSettings = QuantizeSettings()
    evaluate: EvaluateSettings = EvaluateSettings()


def _quantize(work: Work[QuantizeStage]) -> dict[str, Any]:
    import numpy as np

    from hornbook.quantize.quantize import quantize
    from hornbook.tokens import shards

    settings, folder = work.settings.quantize, work.inputs["tokens"] / "shards"
    parts = [path.stem for path in folder.glob("phase2-*.json") if path.stem.count(".") == 0]
    strictest = max(parts, key=lambda name: int(name.removeprefix("phase2-")))
    rows = shards.read(folder, strictest)[: settings.calibration_rows]
    figures = quantize(
        work.inputs["model"], np.asarray(rows, dtype=np.int64), settings, into=work.into, progress=work.progress
    )
    return figures | put_to({"4bit": work.into / "model"}, work.settings.evaluate, work)


QUANTIZE = Stage(
    name="quantize",
    summary="4 bits a weight",
    settings=QuantizeStage,
    run=_quantize,
    inputs=(PROBLEMS, TOKENS, Input("model", ("dpo", "sft", "pretrain"), "The model to shrink.", checkpoint=True)),
    checkpoints=(Checkpoint("4bit", "model", "4 bits", shrunk=True),),
    needs=("write",),
    leave_out=True,
    runs_generated_code=True,
    headline=lambda f: f"{f['bytes_before'] / 1e6:.2f} MB → {f['bytes_after'] / 1e6:.2f} MB, pass@1: {passed(f)}",
    estimate=lambda settings, volume: Effort("1 x", 10 + 2 * settings.evaluate.problems / CASES),
)


class SamplesStage(Settings):
    """What the samples stage depends on; a recipe has it where it gives openings."""

    seed: int = 1
    samples: SamplesSettings


def _samples(work: Work[SamplesStage]) -> dict[str, Any]:
    from hornbook.evaluate.samples import samples

    settings, validation = work.settings, work.inputs["tokens"] / "validation"
    models = work.several["models"]
    return samples(models, validation, settings.samples, seed=settings.seed, into=work.into, progress=work.progress)


SAMPLES = Stage(
    name="samples",
    summary="what the checkpoints write",
    settings=SamplesStage,
    run=_samples,
    inputs=(TOKENS, MODELS),
    headline=lambda f: (
        "validation loss "
        + ", ".join(f"{name} {min(losses.values()):.2f}" for name, losses in f["validation_loss"].items())
    ),
    estimate=lambda settings, volume: Effort(f"{len(settings.samples.prompts)} openings", 5),
)


class ReportStage(Settings):
    """What the report stage depends on."""

    name: str = ""
    description: str = ""


def _report(work: Work[ReportStage]) -> dict[str, Any]:
    from hornbook.report.report import report

    return report(work.settings.name, work.settings.description, work.several["stages"], into=work.into)


REPORT = Stage(
    name="report",
    summary="the report card",
    settings=ReportStage,
    run=_report,
    inputs=(Input("stages", EVERY_STAGE, "Stages' folders.", every=True),),
    headline=lambda f: f"one page, {f['bytes'] / 1e3:.0f} kB",
    estimate=lambda settings, volume: Effort("1 page", 5),
)
