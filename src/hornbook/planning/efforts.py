"""How much work each stage of a recipe is: what its declaration says, for the documents that the recipe names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from hornbook.planning.mixture import Ingredient, ingredients
from hornbook.planning.sizes import Size, sizes
from hornbook.recipe import Recipe
from hornbook.runs.effort import Effort, Volume


def efforts(recipe: Recipe, base: Path) -> dict[str, Effort]:
    """By stage, for those that the recipe has. Raises UserError for a source that is not there."""
    found = sizes(recipe, base)
    return of_volume(recipe, base, volume(recipe, found, ingredients(recipe, found)))


def of_volume(recipe: Recipe, base: Path, amount: Volume) -> dict[str, Effort]:
    """By stage, for so many documents."""
    return {step.name: step.estimate(amount) for step in recipe.steps(base)}


def volume(recipe: Recipe, found: Mapping[str, Size], planned: Sequence[Ingredient]) -> Volume:
    """What a recipe's documents amount to. Sources whose size nobody knows count as nothing."""
    phases = {name: sum(one.tokens for one in planned if one.phase == name) for name in recipe.pretrain.phases}
    read, there = sum(phases.values()), sum(size.tokens or 0.0 for size in found.values())
    writes = "write" not in recipe.without
    return Volume(
        raw=sum(size.characters or 0.0 for size in found.values() if size.origin != "written"),
        written=sum(size.characters or 0.0 for size in found.values() if size.origin == "written"),
        encoded=min(read, there or read),  # once: what is read again is packed already
        phases=phases,
        conversations=recipe.write.conversations if writes else 0,
        preferences=recipe.write.preferences if writes else 0,
        context=recipe.tokens.length or recipe.model.context,
        flops_per_token=recipe.model.flops_per_token,
    )
