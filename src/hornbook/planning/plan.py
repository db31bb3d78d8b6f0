"""A recipe's plan: what it reads, what it trains, and what that takes on given accelerators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hornbook.planning.efforts import of_volume, volume
from hornbook.planning.gpus import Gpu
from hornbook.planning.mixture import Ingredient, ingredients
from hornbook.planning.sizes import Size, sizes
from hornbook.planning.teaching import Teaching, own_prices, teaching
from hornbook.recipe import Published, Recipe
from hornbook.runs.effort import Computation

CORE_PRICE = 0.04  # dollars for an hour of one rented core
ON_CORES = ("read", "filter", "grade", "clean", "tokens")  # stages that need no accelerator


@dataclass(frozen=True)
class Terms:
    """What is taken for granted. `price`: dollars for an hour of one accelerator. `utilisation`: the share of its peak
    that training reaches (MFU). `teacher_prices`: dollars for a million tokens in and out,
    where the recipe's endpoints don't tell."""

    gpu: Gpu
    gpus: int = 1
    price: float = 0.0
    utilisation: float = 0.4
    cores: int = 1
    teacher_prices: tuple[float, float] | None = None


@dataclass(frozen=True)
class Comparison:
    """What is published of the original against this plan, on the original's accelerator.

    `implied_utilisation`: what the published hours mean for the published tokens, counted as here.
    """

    source: str
    note: str
    gpu: str
    gpu_hours: float
    planned_gpu_hours: float
    implied_utilisation: float
    tokens: float | None
    planned_tokens: float


@dataclass(frozen=True)
class Plan:
    """Everything `hornbook plan` shows. Hours are of all accelerators or cores at work; GPU-hours of one."""

    parameters: int
    flops_per_token: float
    terms: Terms
    sources: tuple[Size, ...]
    unknown: tuple[str, ...]
    mixture: tuple[Ingredient, ...]
    short: dict[str, float]
    training: tuple[Computation, ...]
    gpu_hours: float
    hours: float
    gpu_dollars: float
    corpus_seconds: dict[str, float]
    corpus_hours: float
    corpus_dollars: float
    teaching: Teaching
    teacher_dollars: float
    comparison: Comparison | None

    @property
    def documents(self) -> int:
        """Of the sources whose number is known."""
        return sum(size.documents or 0 for size in self.sources)

    @property
    def tokens(self) -> float:
        """Tokens of all training, epochs counted."""
        return sum(part.tokens for part in self.training)

    @property
    def dollars(self) -> float:
        """Accelerators, cores and teacher together."""
        return self.gpu_dollars + self.corpus_dollars + self.teacher_dollars

    def as_values(self) -> dict[str, Any]:
        """For --json."""
        return {"documents": self.documents, "tokens": self.tokens, "dollars": self.dollars, **asdict(self)}


def gpu_hours(flops: float, gpu: Gpu, utilisation: float) -> float:
    """Hours of one accelerator for so many operations."""
    return flops / (gpu.flops * utilisation) / 3600


def plan(recipe: Recipe, base: Path, terms: Terms, published_gpu: Gpu | None = None) -> Plan:
    """Plan a recipe. Nothing is read but the names and sizes of files. Raises UserError for a source that is missing.

    `published_gpu`: the accelerator that the recipe's published hours are of.
    """
    found = sizes(recipe, base)
    mixture = ingredients(recipe, found)
    needed = of_volume(recipe, base, volume(recipe, found, mixture))
    trained = [part for effort in needed.values() for part in effort.computations if part.tokens]
    read = sum(one.tokens for one in mixture)
    hours = gpu_hours(sum(part.flops for part in trained), terms.gpu, terms.utilisation)
    seconds = {name: needed[name].core_seconds for name in ON_CORES if name in needed}
    core_hours = sum(seconds.values()) / 3600
    asked = teaching(recipe, base)
    return Plan(
        parameters=recipe.model.parameters(),
        flops_per_token=3.0 * recipe.model.flops_per_token(recipe.tokens.length or recipe.model.context),
        terms=terms,
        sources=tuple(found.values()),
        unknown=tuple(size.name for size in found.values() if size.characters is None),
        mixture=tuple(mixture),
        short=_short(recipe, mixture),
        training=tuple(trained),
        gpu_hours=hours,
        hours=hours / terms.gpus,
        gpu_dollars=hours * terms.price,
        corpus_seconds=seconds,
        corpus_hours=core_hours / terms.cores,
        corpus_dollars=core_hours * CORE_PRICE,
        teaching=asked,
        teacher_dollars=asked.dollars(terms.teacher_prices or own_prices(recipe)),
        comparison=_compare(recipe.published, trained, terms, published_gpu, read),
    )


def _short(recipe: Recipe, mixture: Sequence[Ingredient]) -> dict[str, float]:
    """Tokens that a phase asks for and, with these caps, can't have."""
    missing = {
        name: phase.tokens - sum(one.tokens for one in mixture if one.phase == name)
        for name, phase in recipe.pretrain.phases.items()
    }
    return {name: tokens for name, tokens in missing.items() if tokens > 0}


def _compare(
    published: Published | None, trained: Sequence[Computation], terms: Terms, gpu: Gpu | None, read: float
) -> Comparison | None:
    """None where nothing is published to compare with. Pretraining alone counts."""
    if published is None or published.gpu_hours is None or gpu is None:
        return None
    flops = sum(part.flops for part in trained if part.what.startswith("pretrain"))
    as_published = flops * (published.tokens or read) / read
    return Comparison(
        source=published.source,
        note=published.note,
        gpu=gpu.name,
        gpu_hours=published.gpu_hours,
        planned_gpu_hours=gpu_hours(flops, gpu, terms.utilisation),
        implied_utilisation=as_published / (published.gpu_hours * 3600) / gpu.flops,
        tokens=published.tokens,
        planned_tokens=read,
    )
