"""What a mixture is made of: the documents of each source, by bands of their scores, and how many tokens they have."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hornbook.errors import UserError
from hornbook.recipe import Recipe
from hornbook.tokens.selection import Entry
from hornbook.tokens.settings import Component, Phase

_NONE = 1e-6  # of a mixture
LEAST = 0.005  # of all tokens; a band of scores with less is joined to the one below


@dataclass(frozen=True)
class Domain:
    """Documents of one source whose scores are at least `low` and below `high`; None where nothing bounds them.

    tokens: of all that is not held out.
    """

    source: str
    low: float | None
    high: float | None
    languages: tuple[str, ...]
    tokens: float

    @property
    def name(self) -> str:
        """The source, and the scores in words."""
        if self.low is None:
            return self.source if self.high is None else f"{self.source} <{self.high:g}"
        return f"{self.source} ≥{self.low:g}" if self.high is None else f"{self.source} {self.low:g}–{self.high:g}"

    @cached_property
    def _component(self) -> Component:
        return Component.model_validate(self.ingredient(1.0))

    def takes(self, document: Entry) -> bool:
        """Whether a document belongs to it."""
        return self._component.takes(document.source, document.score, document.language)

    def ingredient(self, share: float) -> dict[str, Any]:
        """It as an ingredient of a recipe's mixture."""
        found: dict[str, Any] = {"sources": [self.source], "share": share}
        if self.low is not None:
            found["minimum_score"] = self.low
        if self.high is not None:
            found["maximum_score"] = math.nextafter(self.high, -math.inf)  # an ingredient's is inclusive
        if self.languages:
            found["languages"] = list(self.languages)
        return found


def domains(
    recipe: Recipe, kept: Mapping[str, Sequence[Entry]], characters_per_token: Callable[[str], float]
) -> list[Domain]:
    """Every source that the recipe's mixtures name, cut at the scores that they name.

    kept: documents that are not held out, by source. A source is cut only where every document has a score, and where
    no band becomes too small. Raises UserError where one source is read in different languages.
    """
    phases = recipe.pretrain.phases.values()
    languages = _languages(phases)
    edges = sorted(
        {
            score
            for phase in phases
            for one in phase.mixture
            for score in (one.minimum_score, one.maximum_score)
            if score
        }
    )
    found = []
    for source, wanted in languages.items():
        whole = Domain(source, None, None, wanted, 0.0)
        documents = [document for document in kept.get(source, ()) if whole.takes(document)]
        if not documents:
            raise UserError(f"no document of {source} is left to learn from; take it out of the recipe's mixtures")
        found.append((source, wanted, documents, characters_per_token(source)))
    total = sum(one.characters / rate for _, _, documents, rate in found for one in documents)
    made: list[Domain] = []
    for source, wanted, documents, rate in found:
        graded = [(one.score, one.characters / rate) for one in documents if one.score is not None]
        cuts = _cuts(graded, edges, LEAST * total) if len(graded) == len(documents) else []
        for low, high in pairwise([None, *cuts, None]):
            band = Domain(source, low, high, wanted, 0.0)
            tokens = sum(one.characters for one in documents if band.takes(one)) / rate
            made.append(replace(band, tokens=tokens))
    return made


def _languages(phases: Iterable[Phase]) -> dict[str, tuple[str, ...]]:
    """Each source that is read, and in which languages."""
    found: dict[str, tuple[str, ...]] = {}
    for phase in phases:
        for component in phase.mixture:
            for source in component.sources:
                if found.setdefault(source, component.languages) != component.languages:
                    raise UserError(
                        f"the mixtures read {source} in different languages; optimise shares of one choice, "
                        "or make two sources of it"
                    )
    return found


def _cuts(documents: Sequence[tuple[float, float]], edges: Sequence[float], least: float) -> list[float]:
    """The edges that have enough tokens on either side, up to the next one that is kept."""
    cuts: list[float] = []
    for edge in edges:
        below = sum(tokens for score, tokens in documents if (not cuts or score >= cuts[-1]) and score < edge)
        above = sum(tokens for score, tokens in documents if score >= edge)
        if below >= least and above >= least:
            cuts.append(edge)
    return cuts


def mixture(parts: Sequence[Domain], shares: NDArray[np.float64]) -> list[dict[str, Any]]:
    """A mixture as a recipe has it: shares that are none are left out, the rest add up to 1 after rounding.

    A source of which nothing is wanted stays with a share too small for a row: one that is not read at all would be
    held out whole, and its losses would be of other text than those of other mixtures.
    """
    rounded = [round(float(share), 6) for share in shares]
    for source in {part.source for part in parts}:
        own = [number for number, part in enumerate(parts) if part.source == source]
        if not any(rounded[number] for number in own):
            rounded[max(own, key=lambda number: parts[number].tokens)] = _NONE
    largest = int(np.argmax(shares))
    rounded[largest] = round(1 - math.fsum(share for n, share in enumerate(rounded) if n != largest), 6)
    return [part.ingredient(share) for part, share in zip(parts, rounded, strict=True) if share > 0]


def shares_of(recipe: Recipe, kept: Mapping[str, Sequence[Entry]], parts: Sequence[Domain]) -> NDArray[np.float64]:
    """What the recipe's own mixtures read of each domain, over all phases."""
    found = np.zeros(len(parts))
    phases = recipe.pretrain.phases.values()
    total = sum(phase.tokens for phase in phases)
    for phase in phases:
        for component in phase.mixture:
            read = [
                document
                for source in component.sources
                for document in kept.get(source, ())
                if component.takes(document.source, document.score, document.language)
            ]
            own = np.array([sum(one.characters for one in read if part.takes(one)) for part in parts], dtype=np.float64)
            if own.sum():
                found += component.share * phase.tokens / total * own / own.sum()
    return found / found.sum()
