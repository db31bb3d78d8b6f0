"""All stages of a recipe, in order."""

from __future__ import annotations

from pathlib import Path

from hornbook.pipeline import Stage
from hornbook.recipe import Recipe
from hornbook.stages.longer import longrope_stages
from hornbook.stages.measuring import evaluate_stage, quantize_stage, report_stage, samples_stages
from hornbook.stages.shared import left_out
from hornbook.stages.text import clean_stage, filter_stages, grade_stage, read_stage, texts_stages, write_stage
from hornbook.stages.training import dpo_stage, pretrain_stage, sft_stage, tokens_stage


def stages(recipe: Recipe, *, base: Path, name: str, allow_unisolated: bool = False) -> list[Stage]:
    """Every stage of a recipe. `base` is the folder that relative source paths start from."""
    without = left_out(recipe)
    every = [
        read_stage(recipe, base),
        *filter_stages(recipe),
        grade_stage(recipe, base),
        *texts_stages(recipe, base, allow_unisolated),
        write_stage(recipe, base, allow_unisolated),
        clean_stage(recipe, base),
        tokens_stage(recipe),
        pretrain_stage(recipe),
        sft_stage(recipe),
        dpo_stage(recipe),
        evaluate_stage(recipe, allow_unisolated),
        quantize_stage(recipe, allow_unisolated),
        *samples_stages(recipe),
        *longrope_stages(recipe),
        report_stage(recipe, name),
    ]
    return [stage for stage in every if stage.name not in without]
