"""The second pass: exact duplicates, and documents that share most of their words with another."""

from __future__ import annotations

from collections.abc import Collection, Container, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hornbook.corpus.clean.index import DocumentIndex
from hornbook.corpus.clean.minhash import candidate_groups, deduplicate, shingles
from hornbook.corpus.clean.removals import EXACT, NEAR, Removal, Removals
from hornbook.corpus.clean.settings import CleanSettings
from hornbook.corpus.ngrams import WordHashes
from hornbook.documents import Shard
from hornbook.progress import Progress
from hornbook.runs.manifest import SCRATCH
from hornbook.workers.portion import Advance, Portion
from hornbook.workers.work import work_through

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SETS = "sets.npz"


def exact_duplicates(index: DocumentIndex) -> Removals:
    """The documents whose normalised text another document has that is rather kept."""
    import numpy as np

    distinct, texts = np.unique(np.array(index.keys, dtype="S"), return_inverse=True)
    first = np.full(len(distinct), len(index))
    np.minimum.at(first, texts, index.rank)
    return {
        number: Removal(EXACT, index.ids[index.preferred[first[texts[number]]]])
        for number in np.flatnonzero(index.rank != first[texts]).tolist()
    }


def near_duplicates(
    index: DocumentIndex, skip: Container[int], settings: CleanSettings, *, into: Path, progress: Progress
) -> Removals:
    """The near duplicates among the documents, but for those to `skip`, each with the one that is kept for it."""
    groups = candidate_groups(index.bands, [number for number in range(len(index)) if number not in skip])
    sets = _sets(index, {number for group in groups for number in group}, settings, into, progress)
    dropped = deduplicate(groups, sets, index.rank.tolist(), settings.similarity)
    return {number: Removal(NEAR, index.ids[best]) for number, best in dropped.items()}


def _sets(
    index: DocumentIndex, wanted: Collection[int], settings: CleanSettings, into: Path, progress: Progress
) -> dict[int, NDArray[np.uint64]]:
    """The shingles of these documents, by number."""
    import numpy as np

    portions, numbers = [], []
    for place, shard in enumerate(index.shards):
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
