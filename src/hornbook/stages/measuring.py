"""The stages that measure a model, shrink it, and tell about it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hornbook.pipeline import Stage, Work
from hornbook.recipe import Recipe
from hornbook.stages.longer import longrope_stages
from hornbook.stages.shared import CHECKPOINTS, ordered, present
from hornbook.stages.text import filter_stages

EVALUATION_CODE = ("evaluate", "inference", "model", "sandbox", "tokens")


def _ask(models: Mapping[str, Path], recipe: Recipe, work: Work, allow_unisolated: bool) -> dict[str, Any]:
    """The run's own problems and requests, put to each of these models."""
    from hornbook.evaluate.benchmark import HeldOut
    from hornbook.evaluate.evaluate import evaluate

    return evaluate(
        models,
        HeldOut.of(work.inputs["write"], work.inputs["tokens"]),
        recipe.evaluate,
        into=work.into,
        progress=work.progress,
        allow_unisolated=allow_unisolated,
    )


def evaluate_stage(recipe: Recipe, allow_unisolated: bool) -> Stage:
    """Every checkpoint put to the held-out problems."""

    def run(work: Work) -> dict[str, Any]:
        models = {
            name: work.inputs[stage] / folder for name, (stage, folder) in CHECKPOINTS.items() if stage in work.inputs
        }
        return _ask(models, recipe, work, allow_unisolated)

    return Stage(
        "evaluate",
        "every checkpoint on the held-out problems",
        present(recipe, "write", "tokens", "pretrain", "sft", "dpo"),
        recipe.evaluate.model_dump(mode="json"),
        EVALUATION_CODE,
        run,
    )


def quantize_stage(recipe: Recipe, allow_unisolated: bool) -> Stage:
    """The last checkpoint in 4 bits, measured as the others are."""
    trained = present(recipe, "pretrain", "sft", "dpo")
    last_stage, last_folder = next(found for found in reversed(CHECKPOINTS.values()) if found[0] in trained)

    def run(work: Work) -> dict[str, Any]:
        import numpy as np

        from hornbook.quantize.quantize import quantize
        from hornbook.tokens import shards

        last = len(recipe.pretrain.phase2.mixture) - 1
        rows = shards.read(work.inputs["tokens"] / "shards", f"phase2-{last}")
        figures = quantize(
            work.inputs[last_stage] / last_folder,
            np.asarray(rows[: recipe.quantize.calibration_rows], dtype=np.int64),
            recipe.quantize,
            into=work.into,
            progress=work.progress,
        )
        return figures | _ask({"4bit": work.into / "model"}, recipe, work, allow_unisolated)

    settings = {"evaluate": recipe.evaluate.model_dump(mode="json"), **recipe.quantize.model_dump(mode="json")}
    return Stage(
        "quantize", "4 bits a weight", ("write", "tokens", last_stage), settings, ("quantize", *EVALUATION_CODE), run
    )


def samples_stages(recipe: Recipe) -> list[Stage]:
    """What the checkpoints write after given openings; only where the recipe gives some."""
    settings = recipe.samples
    if settings is None:
        return []

    def run(work: Work) -> dict[str, Any]:
        from hornbook.evaluate.samples import samples

        models = {
            name: work.inputs[stage] / folder for name, (stage, folder) in CHECKPOINTS.items() if stage in work.inputs
        }
        validation = work.inputs["tokens"] / "validation"
        return samples(models, validation, settings, seed=recipe.seed, into=work.into, progress=work.progress)

    inputs = present(recipe, "tokens", "pretrain", "sft", "dpo")
    told = {"seed": recipe.seed, **settings.model_dump(mode="json")}
    return [
        Stage("samples", "what the checkpoints write", inputs, told, ("evaluate", "inference", "model", "tokens"), run)
    ]


def report_stage(recipe: Recipe, name: str) -> Stage:
    """The page that tells what came out."""

    def run(work: Work) -> dict[str, Any]:
        from hornbook.report.report import report

        return report(name, recipe.description, work.inputs, into=work.into)

    usual = ("read", "grade", "write", "clean", "tokens", "pretrain", "sft", "dpo", "evaluate", "quantize")
    everything = present(recipe, *usual)
    made = (*filter_stages(recipe), *samples_stages(recipe), *longrope_stages(recipe))
    optional = present(recipe, *(stage.name for stage in made))
    optional += ("texts",) if ordered(recipe) else ()
    settings = {"name": name, "description": recipe.description}
    return Stage("report", "the report card", (*everything, *optional), settings, ("report",), run)
