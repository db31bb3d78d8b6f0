"""Each item's candidates are judged from the nearest on, until one is the same problem. What was not judged is unknown.

No answer is never "clean": a judge that fails, refuses, is not sure or was not asked leaves the item unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from hornbook.audit.rephrasings.nearest import Pair

Verdict = Literal["leak", "clean", "unknown"]


@dataclass(frozen=True)
class Opinion:
    """What a judge says of a pair, and its reason; of what it does not know, `why` in a word to count by."""

    verdict: Verdict
    reason: str
    why: str = ""


@dataclass(frozen=True)
class Judged:
    """A pair with the opinion of it."""

    pair: Pair
    opinion: Opinion


Judge = Callable[[Sequence[Pair]], Sequence[Opinion]]  # one opinion for each pair


def in_rounds(candidates: Sequence[Sequence[Pair]], judge: Judge) -> list[list[Judged]]:
    """For each item what was said of its candidates, the nearest first, up to the first leak.

    A round asks about one candidate of each item that is left, the most similar pairs first: where the asking ends
    early, it has gone to what was most likely to be a leak.
    """
    judged: list[list[Judged]] = [[] for _ in candidates]
    for place in range(max(map(len, candidates), default=0)):
        left = [
            number
            for number, pairs in enumerate(candidates)
            if place < len(pairs) and verdict_of(judged[number]) != "leak"
        ]
        left.sort(key=lambda number: (-candidates[number][place].near, number))
        asked = [candidates[number][place] for number in left]
        for number, pair, opinion in zip(left, asked, judge(asked), strict=True):
            judged[number].append(Judged(pair, opinion))
    return judged


def verdict_of(judged: Iterable[Judged]) -> Verdict:
    """What is known of one item: a leak if any passage is one, unknown if any could not be judged, else clean."""
    verdicts = {one.opinion.verdict for one in judged}
    return "leak" if "leak" in verdicts else "unknown" if "unknown" in verdicts else "clean"
