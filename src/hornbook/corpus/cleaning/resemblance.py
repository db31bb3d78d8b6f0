"""The second pass: exact duplicates, and documents that share most of their words with another."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hornbook.corpus.cleaning.entries import Entries
from hornbook.corpus.cleaning.fates import EXACT, NEAR, Fate, Fates
from hornbook.corpus.duplicates import candidate_groups, near_duplicates, shingles
from hornbook.corpus.settings import CleanSettings
from hornbook.corpus.words import WordHashes
from hornbook.documents import Shard
from hornbook.manifest import SCRATCH
from hornbook.progress import Progress
from hornbook.workers.portion import Advance, Portion
from hornbook.workers.work import work_through

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SETS = "sets.npz"


def exact(entries: Entries) -> Fates:
    """The documents whose normalised text another document has that is rather kept."""
    import numpy as np

    distinct, texts = np.unique(np.array(entries.keys, dtype="S"), return_inverse=True)
    first = np.full(len(distinct), len(entries))
    np.minimum.at(first, texts, entries.rank)
    return {
        number: Fate(EXACT, entries.ids[entries.preferred[first[texts[number]]]])
        for number in np.flatnonzero(entries.rank != first[texts]).tolist()
    }


def near(entries: Entries, fates: Fates, settings: CleanSettings, *, into: Path, progress: Progress) -> Fates:
    """The near duplicates among the documents that have no fate yet, each with the one that is kept for it."""
    groups = candidate_groups(entries.bands, [number for number in range(len(entries)) if number not in fates])
    sets = _sets(entries, {number for group in groups for number in group}, settings, into, progress)
    dropped = near_duplicates(groups, sets, entries.rank.tolist(), settings.similarity)
    return {number: Fate(NEAR, entries.ids[best]) for number, best in dropped.items()}


def _sets(
    entries: Entries, wanted: Collection[int], settings: CleanSettings, into: Path, progress: Progress
) -> dict[int, NDArray[np.uint64]]:
    """The shingles of these documents, by number."""
    import numpy as np

    portions, numbers = [], []
    for place, shard in enumerate(entries.shards):
        rows = [row for row in range(shard.rows) if shard.first + row in wanted]
        if rows:
            numbers.append([shard.first + row for row in rows])
            portions.append(
                Portion.over(
                    shard,
                    into / SCRATCH / f"shingles-{place:05d}",
                    partial(_shingle_shard, shard, rows, settings.shingle),
                    *(settings.shingle, rows),
                )
            )
    work_through(portions, "compare documents", progress)
    sets: dict[int, NDArray[np.uint64]] = {}
    for portion, those in zip(portions, numbers, strict=True):
        with np.load(portion.folder / _SETS) as found:
            parts = np.split(found["hashes"], found["ends"][:-1])
        sets.update(zip(those, parts, strict=True))
    return sets


def _shingle_shard(shard: Shard, rows: Sequence[int], length: int, folder: Path, advance: Advance) -> None:
    """Keep the sets of shingles of some rows of a file: all in one array, with where each ends."""
    import numpy as np

    hashes, wanted, row = WordHashes(), set(rows), 0
    sets = []
    for batch in shard.batches(["text"]):
        for text in batch["text"]:
            if row in wanted:
                sets.append(shingles(text.as_py(), length, hashes))
            row += 1
        advance(batch.num_rows)
    np.savez(folder / _SETS, hashes=np.concatenate(sets), ends=np.cumsum([len(one) for one in sets]))
