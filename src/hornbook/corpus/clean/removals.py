"""Which documents are removed, why, and for which other one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from hornbook.corpus.clean.index import DocumentIndex, by_text
from hornbook.corpus.decontaminate import CONTAMINATED
from hornbook.corpus.shuffle import Pieces, read_matching
from hornbook.documents import Shard
from hornbook.files import digest_value

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EXACT = "exact duplicate"
NEAR = "near duplicate"
REASONS = (EXACT, NEAR, CONTAMINATED)


@dataclass(frozen=True)
class Removals:
    """All that is removed: what repeats a text exactly, by the index, and then for each reason the pieces, one a file,
    with rows of `number` and `kept`: the id of the document that it repeats or of the problem that it holds.
    """

    index: DocumentIndex
    others: Sequence[tuple[str, Pieces]]

    @property
    def key(self) -> str:
        """Tells them from any others."""
        return digest_value([self.index.entries.key, *(pieces.key for _, pieces in self.others)])

    def among(self, low: int, high: int) -> tuple[Any, dict[int, tuple[str, str]]]:
        """The entries of all documents with keys from `low` to before `high`, ordered by text, and of those that are
        removed by number the reason and `kept`.
        """
        import numpy as np

        names = ["key", "rest", "number", "id", "source", "characters", "score", "digest"]
        entries = self.index.entries.between("key", low, high, names)
        order, first = by_text(entries)
        entries = entries.take(order)
        numbers = entries["number"].to_numpy()
        repeated = np.maximum.accumulate(np.where(first, np.arange(len(first)), 0))[~first]
        kept = entries["id"].take(repeated).to_pylist()
        removed = {number: (EXACT, one) for number, one in zip(numbers[~first].tolist(), kept, strict=True)}
        for reason, pieces in self.others:
            removed |= {number: (reason, one) for number, one in _found(pieces, self.index.shards, numbers[first])}
        return entries, removed


def _found(pieces: Pieces, stored: Sequence[Shard], numbers: NDArray[np.int64]) -> list[tuple[int, str]]:
    """Of these documents those that pieces have, each with what is kept for it."""
    import numpy as np

    found: list[tuple[int, str]] = []
    numbers = np.sort(numbers)
    edges = np.searchsorted(numbers, [shard.first for shard in stored] + [stored[-1].end]).tolist()
    for place, (start, end) in enumerate(pairwise(edges)):
        if start < end:
            rows = read_matching([pieces.folder(place)], "number", numbers[start:end])
            found += zip(rows["number"].to_pylist(), rows["kept"].to_pylist(), strict=True)
    return found
