"""What a judge says of each item's candidates, from the nearest on until one is the same problem; and the figures.

No answer is never "clean": a judge that fails, refuses, is not sure or was not asked leaves the item unknown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hornbook.audit.rephrasings.candidates import Pair
from hornbook.corpus.decontaminate.benchmarks import Benchmark, Item

SHOWN = 20  # hits of a benchmark that the page shows
_CHARACTERS = 1_600

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


def judge_nearest_first(candidates: Sequence[Sequence[Pair]], judge: Judge) -> list[list[Judged]]:
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
        left.sort(key=lambda number: (-candidates[number][place].similarity, number))
        asked = [candidates[number][place] for number in left]
        for number, pair, opinion in zip(left, asked, judge(asked), strict=True):
            judged[number].append(Judged(pair, opinion))
    return judged


def verdict_of(judged: Iterable[Judged]) -> Verdict:
    """What is known of one item: a leak if any passage is one, unknown if any could not be judged, else clean."""
    verdicts = {one.opinion.verdict for one in judged}
    return "leak" if "leak" in verdicts else "unknown" if "unknown" in verdicts else "clean"


def left_over(benchmarks: Sequence[Benchmark], figures: dict[str, Any]) -> list[Item]:
    """The items that no rule found, by the figures of `audit_corpus`."""
    found = {(row["name"], identity) for row in figures["benchmarks"] for identity in row["found"]}
    return [item for one in benchmarks for item in one.items if (item.benchmark, item.id) not in found]


def judge_all(benchmarks: Sequence[Benchmark], pairs: Sequence[Sequence[Pair]], judge: Judge) -> list[dict[str, Any]]:
    """Have the candidates judged. For each benchmark: how many of its items were judged (`items`), and of these how
    many are in the corpus in other words (`leaked`), are not (`clean`), or could not be judged (`unknown`, by reason
    in `why`); the leaks with both texts, the nearest first, and every item that is unknown.
    """
    judged: dict[str, list[list[Judged]]] = {one.name: [] for one in benchmarks}
    for one in judge_nearest_first([some for some in pairs if some], judge):
        judged[one[0].pair.item.benchmark].append(one)
    return [_row(name, some) for name, some in judged.items()]


def _row(name: str, judged: Sequence[Sequence[Judged]]) -> dict[str, Any]:
    verdicts = Counter(verdict_of(one) for one in judged)
    leaks = [one[-1] for one in judged if verdict_of(one) == "leak"]
    unknown = [_open(one) for one in judged if verdict_of(one) == "unknown"]
    leaks.sort(key=lambda one: (-one.pair.similarity, one.pair.item.id, one.pair.passage.document))
    return {
        "name": name,
        "items": len(judged),
        "leaked": verdicts["leak"],
        "clean": verdicts["clean"],
        "unknown": verdicts["unknown"],
        "why": dict(sorted(Counter(one.opinion.why for one in unknown).items())),
        "hits": [_hit(one) for one in leaks[:SHOWN]],
        "unsettled": [_unsettled(one) for one in sorted(unknown, key=lambda one: _place(one.pair.item))],
    }


def _open(judged: Sequence[Judged]) -> Judged:
    """The nearest candidate that could not be judged: it speaks for its item."""
    return next(one for one in judged if one.opinion.verdict == "unknown")


def _place(item: Item) -> tuple[int, str]:
    """Ids in the order that a reader expects: 2 before 10."""
    return (len(item.id), item.id)


def _hit(one: Judged) -> dict[str, Any]:
    passage, item = one.pair.passage, one.pair.item
    return {
        "item": item.id,
        "similarity": one.pair.similarity,
        "reason": one.opinion.reason,
        "document": passage.document,
        "source": passage.source,
        "path": passage.path,
        "excerpt": passage.text[:_CHARACTERS],
        "question": item.text[:_CHARACTERS],
    }


def _unsettled(one: Judged) -> dict[str, Any]:
    return {
        "item": one.pair.item.id,
        "why": one.opinion.why,
        "reason": one.opinion.reason,
        "document": one.pair.passage.document,
        "similarity": one.pair.similarity,
    }
