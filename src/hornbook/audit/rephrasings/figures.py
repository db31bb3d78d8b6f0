"""What a judge found told in other words, by benchmark: for the page and for audit.json."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from hornbook.audit.rephrasings.nearest import Pair
from hornbook.audit.rephrasings.rounds import Judge, Judged, in_rounds, verdict_of
from hornbook.corpus.decontaminate.benchmarks import Benchmark, Item

SHOWN = 20  # hits of a benchmark that the page shows
_CHARACTERS = 1_600


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
    for one in in_rounds([some for some in pairs if some], judge):
        judged[one[0].pair.item.benchmark].append(one)
    return [_row(name, some) for name, some in judged.items()]


def _row(name: str, judged: Sequence[Sequence[Judged]]) -> dict[str, Any]:
    verdicts = Counter(verdict_of(one) for one in judged)
    leaks = [one[-1] for one in judged if verdict_of(one) == "leak"]
    unknown = [_open(one) for one in judged if verdict_of(one) == "unknown"]
    leaks.sort(key=lambda one: (-one.pair.near, one.pair.item.id, one.pair.passage.document))
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
        "near": one.pair.near,
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
        "near": one.pair.near,
    }
