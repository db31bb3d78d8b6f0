"""The second pass: exact duplicates, and documents that share most of their words with another."""

from __future__ import annotations

import bisect
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hornbook.corpus.clean.alike import deduplicate
from hornbook.corpus.clean.boilerplate import CommonLines
from hornbook.corpus.clean.index import DocumentIndex
from hornbook.corpus.clean.minhash import band_keys, candidate_groups, shingles
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
_BANDS = "bands.npy"
_ROWS = 5_000  # documents signed at once


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


@dataclass(frozen=True)
class NearDuplicates:
    """The documents to remove, and in how many documents boilerplate was taken off before comparing."""

    removals: Removals
    without_boilerplate: int


def near_duplicates(
    index: DocumentIndex,
    skip: Container[int],
    boilerplate: CommonLines | None,
    settings: CleanSettings,
    *,
    into: Path,
    progress: Progress,
) -> NearDuplicates:
    """The near duplicates among the documents, but for those to `skip`, each with the one that is kept for it."""
    import numpy as np

    numbers = [number for number in range(len(index)) if number not in skip]
    portions = [
        Portion.over(
            shard,
            into / SCRATCH / f"sign-{place:05d}",
            partial(_sign_shard, shard, rows, boilerplate, settings),
            settings.model_dump(include={"bands", "rows", "shingle"}),
            boilerplate and boilerplate.key,
            rows,
        )
        for place, (shard, rows) in enumerate(zip(index.shards, rows_of(index.shards, numbers), strict=True))
    ]
    changed = work_through(portions, "sign documents", progress)
    bands = np.concatenate([np.load(portion.folder / _BANDS) for portion in portions])
    groups = [[numbers[place] for place in group] for group in candidate_groups(bands, range(len(numbers)))]
    candidates = sorted({number for group in groups for number in group})
    sets = _sets(index, candidates, boilerplate, settings, into, progress)
    dropped = deduplicate(groups, sets, index.rank.tolist(), settings.similarity)
    return NearDuplicates(
        {number: Removal(NEAR, index.ids[best]) for number, best in dropped.items()}, without_boilerplate=sum(changed)
    )


def rows_of(shards: Sequence[Shard], numbers: Sequence[int]) -> list[list[int]]:
    """Which rows of each file have these numbers, which ascend."""
    places = [bisect.bisect_left(numbers, shard.first) for shard in shards] + [len(numbers)]
    return [
        [number - shard.first for number in numbers[start:end]]
        for shard, start, end in zip(shards, places, places[1:], strict=False)
    ]


def _chosen_texts(
    shard: Shard, rows: Sequence[int], boilerplate: CommonLines | None, advance: Advance
) -> Iterator[tuple[list[str], int]]:
    """The texts of some rows of a file as they are compared, and how many of them are without their boilerplate."""
    cleaner, first, at = boilerplate and boilerplate.load(), 0, 0
    for batch in shard.batches(["text"], rows=_ROWS):
        end = bisect.bisect_left(rows, first + batch.num_rows)
        whole = batch["text"].take([row - first for row in rows[at:end]]).to_pylist() if end > at else []
        first, at = first + batch.num_rows, end
        texts = cleaner.taken_off(whole) if cleaner else whole
        yield texts, sum(one != other for one, other in zip(whole, texts, strict=True))
        advance(batch.num_rows)


def _sign_shard(
    shard: Shard,
    rows: Sequence[int],
    boilerplate: CommonLines | None,
    settings: CleanSettings,
    folder: Path,
    advance: Advance,
) -> int:
    """Keep the MinHash keys of some rows of a file: (rows, bands). Returns how many are without their boilerplate."""
    import numpy as np

    bands, changed = [np.zeros((0, settings.bands), dtype=np.uint64)], 0
    for texts, fewer in _chosen_texts(shard, rows, boilerplate, advance):
        bands.append(band_keys(texts, settings))
        changed += fewer
    np.save(folder / _BANDS, np.concatenate(bands))
    return changed


def _sets(
    index: DocumentIndex,
    wanted: Sequence[int],
    boilerplate: CommonLines | None,
    settings: CleanSettings,
    into: Path,
    progress: Progress,
) -> dict[int, NDArray[np.uint64]]:
    """The shingles of these documents, by number; the numbers ascend."""
    import numpy as np

    portions, numbers = [], []
    for place, (shard, rows) in enumerate(zip(index.shards, rows_of(index.shards, wanted), strict=True)):
        if rows:
            numbers.append([shard.first + row for row in rows])
            portions.append(
                Portion.over(
                    shard,
                    into / SCRATCH / f"shingles-{place:05d}",
                    partial(_shingle_shard, shard, rows, boilerplate, settings.shingle),
                    *(settings.shingle, boilerplate and boilerplate.key, rows),
                )
            )
    work_through(portions, "compare documents", progress)
    sets: dict[int, NDArray[np.uint64]] = {}
    for portion, those in zip(portions, numbers, strict=True):
        with np.load(portion.folder / _SETS) as found:
            parts = np.split(found["hashes"], found["ends"][:-1])
        sets.update(zip(those, parts, strict=True))
    return sets


def _shingle_shard(
    shard: Shard,
    rows: Sequence[int],
    boilerplate: CommonLines | None,
    length: int,
    folder: Path,
    advance: Advance,
) -> None:
    """Keep the sets of shingles of some rows of a file: all in one array, with where each ends."""
    import numpy as np

    hashes = WordHashes()
    sets = [
        shingles(text, length, hashes)
        for texts, _ in _chosen_texts(shard, rows, boilerplate, advance)
        for text in texts
    ]
    np.savez(folder / _SETS, hashes=np.concatenate(sets), ends=np.cumsum([len(one) for one in sets]))
