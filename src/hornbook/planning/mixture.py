"""What each phase would read: shares against what there is, with the caps on epochs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hornbook.planning.sizes import Size
from hornbook.recipe import Recipe
from hornbook.tokens.mixture import divide


@dataclass(frozen=True)
class Ingredient:
    """One ingredient of one phase. Tokens; `available` counts every score and language, so that epochs are at least
    these. None where a source's size is not known; nothing then caps it."""

    phase: str
    sources: tuple[str, ...]
    wanted: str
    share_asked: float
    share: float
    tokens: float
    available: float | None
    epochs: float | None


def ingredients(recipe: Recipe, found: Mapping[str, Size]) -> list[Ingredient]:
    """Every ingredient of every phase, in order."""
    planned = []
    for name, phase in recipe.pretrain.phases.items():
        available = []
        for component in phase.mixture:
            parts = [found[source].tokens for source in component.sources]
            available.append(None if None in parts else sum(part for part in parts if part is not None))
        limits = [
            phase.tokens if there is None else min(phase.tokens, int(there * most))
            for there, most in zip(available, phase.epochs, strict=True)
        ]
        counts = divide(phase.tokens, [component.share for component in phase.mixture], limits)
        total = max(1, sum(counts))
        for component, there, count in zip(phase.mixture, available, counts, strict=True):
            planned.append(
                Ingredient(
                    phase=name,
                    sources=component.sources,
                    wanted=_wanted(component.minimum_score, component.maximum_score, component.languages),
                    share_asked=component.share,
                    share=count / total,
                    tokens=float(count),
                    available=there,
                    epochs=count / there if there else None,
                )
            )
    return planned


def _wanted(least: float, most: float | None, languages: tuple[str, ...]) -> str:
    """What documents must be, in words: `score ≥ 3, en`."""
    words = []
    if least > 0:
        words.append(f"score ≥ {least:g}")
    if most is not None:
        words.append(f"score ≤ {most:g}")
    if languages:
        words.append(" ".join(languages).replace("!", "not "))
    return ", ".join(words)
