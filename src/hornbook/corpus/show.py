"""Rows of a corpus, or of the files of conversations beside it, drawn for a person to read."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hornbook.documents import DOCUMENTS, REMOVED, Row, is_corpus, no_corpus, shards
from hornbook.errors import UserError, nearest
from hornbook.records import Fault, json_lines
from hornbook.seeds import derive

CHATS = ("conversations", "preferences", "problems", "safety")  # JSON lines that stages write beside documents
_ROWS = 10_000


@dataclass(frozen=True)
class Drawn:
    """`rows` of `of` that there are, in their order."""

    rows: list[Row]
    of: int


def documents(corpus: Path, *, count: int, seed: int = 1, source: str | None = None, dropped: bool = False) -> Drawn:
    """`count` documents of a corpus, or of what was dropped, of one source where it is named.

    The same seed draws the same ones. Raises UserError for a folder that is no corpus, and for a source that is not
    there.
    """
    if not is_corpus(corpus):
        raise UserError(no_corpus(corpus))
    part = REMOVED if dropped else DOCUMENTS
    if dropped and not any((corpus / REMOVED).glob("*.parquet")):
        return Drawn([], 0)
    chosen, of = _draw(_numbers(corpus, part, source), count, seed)
    return Drawn(list(_rows(corpus, part, chosen)), of)


def chats(path: Path, *, count: int, seed: int = 1) -> Drawn:
    """`count` rows of a file of conversations, preference pairs or problems. Raises UserError for damaged ones."""
    chosen, of = _draw((number for number, _ in _lines(path)), count, seed)
    return Drawn([row for number, row in _lines(path) if number in chosen], of)


def _draw(numbers: Iterator[int], count: int, seed: int) -> tuple[set[int], int]:
    """`count` of the numbers, each as likely as any other (Vitter's algorithm R), and how many there are."""
    chance = random.Random(derive(seed, "show"))
    kept: list[int] = []
    seen = 0
    for number in numbers:
        seen += 1
        if len(kept) < count:
            kept.append(number)
        elif (place := chance.randrange(seen)) < count:
            kept[place] = number
    return set(kept), seen


def _numbers(corpus: Path, part: str, source: str | None) -> Iterator[int]:
    """The places of a corpus's rows, of one source where it is named."""
    found: set[str] = set()
    there = False
    for shard in shards(corpus, part=part):
        number = shard.first
        for batch in shard.batches(["source"], rows=_ROWS):
            for name in batch["source"].to_pylist():
                if source is None or name == source:
                    there = True
                    yield number
                elif len(found) < 1_000:
                    found.add(name or "")
                number += 1
    if source is not None and not there and part == DOCUMENTS:
        known = ", ".join(sorted(found)[:20]) or "none"
        raise UserError(f"{corpus} has no source {source!r}{nearest(source, found)}; it has {known}")


def _rows(corpus: Path, part: str, chosen: Collection[int]) -> Iterator[Row]:
    for shard in shards(corpus, part=part):
        if not any(shard.first <= number < shard.end for number in chosen):
            continue
        first = shard.first
        for batch in shard.batches():
            here = [number - first for number in sorted(chosen) if first <= number < first + batch.num_rows]
            if here:
                yield from batch.take(here).to_pylist()
            first += batch.num_rows


def _lines(path: Path) -> Iterator[tuple[int, Any]]:
    try:
        with path.open("rb") as stream:
            for number, one in enumerate(json_lines(stream)):
                if isinstance(one, Fault):
                    raise UserError(f"{path}, line {one.number}: {one}")
                if not isinstance(one.value, dict):
                    raise UserError(f"{path}, line {one.number}: is not an object")
                yield number, one.value
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}") from None
