"""What the stages of a recipe have in common: where checkpoints lie, and which stages a recipe does without."""

from __future__ import annotations

from pathlib import Path

from hornbook.recipe import Recipe
from hornbook.teacher.settings import PREFIX

# Checkpoints in the order of the recipe: name -> (stage, folder inside the stage's folder).
CHECKPOINTS = {
    "phase1": ("pretrain", "phase1"),
    "phase2": ("pretrain", "phase2"),
    "sft": ("sft", "model"),
    "dpo": ("dpo", "model"),
    "4bit": ("quantize", "model"),
}


def final_model(run: Path) -> Path | None:
    """The last trained checkpoint of a run folder in full precision, or None where there is none yet."""
    for stage, folder in (CHECKPOINTS[name] for name in ("dpo", "sft", "phase2", "phase1")):
        for found in sorted(run.glob(f"[0-9][0-9]-{stage}")):
            if (found / folder / "config.json").is_file():
                return found / folder
    return None


def left_out(recipe: Recipe) -> set[str]:
    """The stages that a recipe does without. Where the teacher writes all sources there is nothing to read."""
    nothing = all(source.path.startswith(PREFIX) for source in recipe.sources)
    return {*recipe.without, *(("read", "filter", "grade") if nothing else ())}


def present(recipe: Recipe, *names: str) -> tuple[str, ...]:
    """Those of these stages that the recipe has."""
    without = left_out(recipe)
    return tuple(name for name in names if name not in without)


def raw(recipe: Recipe) -> tuple[str, ...]:
    """The stage whose documents are the real ones, before any grade; none where there are none."""
    return present(recipe, "filter" if recipe.filter.active else "read")


def ordered(recipe: Recipe) -> dict[str, str]:
    """The sources that the teacher writes: their paths by name."""
    return {source.name: source.path for source in recipe.sources if source.path.startswith(PREFIX)}
