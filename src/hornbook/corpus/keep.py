"""Which graded documents are kept: those from a threshold on, or the best share of them."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Keep:
    """Documents with at least the `minimum` score; of those that have just that, ids up to `last` where it is given."""

    minimum: float
    last: str | None = None

    def __call__(self, score: float, identity: str) -> bool:
        """Whether a document is kept."""
        if score == self.minimum and self.last is not None:
            return identity <= self.last
        return score >= self.minimum


def best(ranked: list[tuple[float, str]], share: float) -> Keep:
    """The rule that keeps `share` of the documents, given as (minus score, id): the best, of equal ones smaller ids."""
    if not ranked:
        return Keep(0.0)
    score, last = sorted(ranked)[max(0, math.ceil(share * len(ranked)) - 1)]
    return Keep(-score, last)
