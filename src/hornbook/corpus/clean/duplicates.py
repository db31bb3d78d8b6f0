"""The second pass: documents that share most of their words with another.

Every file's documents are signed; those whose signatures share a band are candidates, found range by range of the
bands' keys; candidates are compared, groups with one smallest member together; and of what is linked the preferred one
stays. What one process holds of all documents is 4 bytes each, while links become groups (`components`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.corpus.clean.alike import components, linked
from hornbook.corpus.clean.boilerplate import CommonLines
from hornbook.corpus.clean.index import DocumentIndex, by_preference
from hornbook.corpus.clean.minhash import band_keys, candidate_groups, shingles
from hornbook.corpus.clean.settings import CleanSettings
from hornbook.corpus.ngrams import WordHashes, fold
from hornbook.corpus.shuffle import (
    LeftOut,
    Pieces,
    RunWriter,
    chosen,
    ranges,
    read_between,
    read_matching,
    read_numbers,
    rows_left,
    write_numbers,
)
from hornbook.documents import Shard
from hornbook.files import digest_value
from hornbook.progress import Progress
from hornbook.runs.manifest import SCRATCH
from hornbook.workers.portion import Advance, Portion
from hornbook.workers.work import work_through

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_HASHES, _ENDS = "hashes.npy", "ends.npy"
_LINKS, _LABELS = "links.npy", "labels.npy"
_ROWS = 5_000  # documents signed at once
_BANDS = 4_000_000  # keys of bands among which candidates are looked for at once
_SETS = 100_000_000  # bytes of sets compared at once
_OBJECT = 400  # bytes that a set takes beside its hashes
_LINKED = 500_000  # linked documents among which the best are found at once


@dataclass(frozen=True)
class NearDuplicates:
    """The documents to remove, each with the id of the one that is `kept` for it, by file; None where there are none.
    And in how many documents boilerplate was taken off before comparing.
    """

    removed: Pieces | None
    without_boilerplate: int


def near_duplicates(
    index: DocumentIndex,
    left_out: LeftOut,
    boilerplate: CommonLines | None,
    settings: CleanSettings,
    *,
    into: Path,
    progress: Progress,
) -> NearDuplicates:
    """The near duplicates among the documents, but for those that are `left_out`."""
    search = _Search(index, left_out, boilerplate, settings, into / SCRATCH, progress)
    bands, changed = search.sign()
    groups, members = search.candidates(bands)
    if not members:
        return NearDuplicates(None, changed)
    links, count = search.compare(groups)
    return NearDuplicates(search.choose(links, count) if count else None, changed)


@dataclass(frozen=True)
class _Search:
    """The passes one after the other. Each gets what the one before left, and tells how much it left itself."""

    index: DocumentIndex
    left_out: LeftOut
    boilerplate: CommonLines | None
    settings: CleanSettings
    scratch: Path
    progress: Progress

    def sign(self) -> tuple[Pieces, int]:
        """Leave rows of `key` and `number`, one for each band of each document; and in how many boilerplate is off."""
        settings = self.settings.model_dump(include={"bands", "rows", "shingle"})
        return self._by_file(
            "sign",
            "sign documents",
            lambda place, shard: partial(_sign, shard, place, self.left_out, self.boilerplate, self.settings),
            [settings, self.left_out.key, self.boilerplate and self.boilerplate.key],
        )

    def candidates(self, bands: Pieces) -> tuple[Pieces, int]:
        """Leave rows of `members`, a group of candidates, and a hash of the `first`; and how many members there are."""
        total = len(self.index) * self.settings.bands
        return self._by_range("candidates", "find candidates", bands, ranges(total, _BANDS), _candidates, 16 * total)

    def compare(self, groups: Pieces) -> tuple[Pieces, int]:
        """Leave links between documents that are alike; and how many there are."""
        sets, size = self._by_file(
            "shingles",
            "read candidates",
            lambda place, shard: partial(_shingle, shard, groups, self.boilerplate, self.settings.shingle),
            [groups.key],
        )
        parts = ranges(2 * size, _SETS)  # twice, as groups of several ranges have documents in common
        similarity = self.settings.similarity
        work = partial(_compare, sets=sets, stored=self.index.shards, similarity=similarity)
        return self._by_range("alike", "compare documents", groups, parts, work, size, sets.key, similarity)

    def choose(self, links: Pieces, count: int) -> Pieces:
        """Leave rows of `number` and `kept`: what is not the preferred one of all it is linked to."""
        work = partial(_join, links, len(self.index))
        joined = Pieces(self.scratch, "joined", 1, links.key)
        portion = Portion(joined.folder(0), digest_value(["joined", links.key]), work, 16 * count, 1)
        work_through([portion], "join duplicates", self.progress)
        labels = joined.folder(0) / _LABELS
        own, _ = self._by_file(
            "preferred",
            "choose among duplicates",
            lambda place, shard: partial(_own_best, shard, self.index.entries.folder(place), links, labels),
            [links.key],
        )
        parts = ranges(2 * count, _LINKED, len(self.index))
        best, _ = self._by_range("best", "choose among duplicates", own, parts, _best, 100 * count)
        removed, _ = self._by_file(
            "near",
            "choose among duplicates",
            lambda place, shard: partial(_near, shard, links, labels, best),
            [best.key],
        )
        return removed

    def _by_file(
        self,
        name: str,
        label: str,
        work: Callable[[int, Shard], Callable[[Path, Advance], int]],
        key: Sequence[Any],
    ) -> tuple[Pieces, int]:
        """A portion of work for each file. Returns what they leave, and the sum of what they tell."""
        found = Pieces(self.scratch, name, len(self.index.shards), digest_value([name, self.index.entries.key, *key]))
        portions = [
            Portion.over(shard, found.folder(place), work(place, shard), shard.first, found.key)
            for place, shard in enumerate(self.index.shards)
        ]
        return found, sum(work_through(portions, label, self.progress))

    def _by_range(
        self,
        name: str,
        label: str,
        before: Pieces,
        parts: Sequence[tuple[int, int]],
        work: Callable[..., int],
        size: int,
        *key: Any,
    ) -> tuple[Pieces, int]:
        """The same for each range of what is there `before`."""
        found = Pieces(self.scratch, name, len(parts), digest_value([name, before.key, *key]))
        portions = [
            Portion(
                folder=found.folder(place),
                key=digest_value([found.key, low, high]),
                work=partial(work, before, low, high),
                size=size // len(parts),
                units=1,
            )
            for place, (low, high) in enumerate(parts)
        ]
        return found, sum(work_through(portions, label, self.progress))


def _texts(
    shard: Shard, rows: NDArray[np.int64], boilerplate: CommonLines | None, advance: Advance
) -> Iterator[tuple[NDArray[np.int64], list[str], int]]:
    """Some rows of a file, which ascend, with the texts as they are compared, and how many of them are without their
    boilerplate.
    """
    cleaner = boilerplate and boilerplate.load()
    for here, batch in chosen(shard.batches(["text"], rows=_ROWS), rows, advance):
        whole = batch["text"].to_pylist()
        texts = cleaner.taken_off(whole) if cleaner else whole
        yield here, texts, sum(one != other for one, other in zip(whole, texts, strict=True))


def _sign(
    shard: Shard,
    place: int,
    left_out: LeftOut,
    boilerplate: CommonLines | None,
    settings: CleanSettings,
    folder: Path,
    advance: Advance,
) -> int:
    """Leave the MinHash keys of a file's documents. Returns how many are without their boilerplate."""
    import numpy as np
    import pyarrow as pa

    schema, changed = pa.schema({"key": pa.uint64(), "number": pa.int64()}), 0
    with RunWriter(folder, schema, "key") as writer:
        for rows, texts, fewer in _texts(shard, rows_left(left_out, place, shard), boilerplate, advance):
            numbers = np.repeat(shard.first + rows, settings.bands)
            writer.add(pa.table([band_keys(texts, settings).ravel(), numbers], schema=schema))
            changed += fewer
    return changed


def _candidates(bands: Pieces, low: int, high: int, folder: Path, advance: Advance) -> int:
    """Leave the groups that share a key of a range, and the numbers of all in them."""
    import numpy as np
    import pyarrow as pa

    found = bands.between("key", low, high)
    groups = candidate_groups(found["key"].to_numpy(), found["number"].to_numpy())
    members = np.concatenate([np.zeros(0, np.int64), *groups])
    first = np.array([group[0] for group in groups], dtype=np.uint64)
    ends = np.cumsum([0, *map(len, groups)])
    lists = pa.LargeListArray.from_arrays(pa.array(ends, pa.int64()), pa.array(members))
    table = pa.table({"first": fold([first, first]), "members": lists})  # twice, which spreads neighbours
    with RunWriter(folder, table.schema, "first") as writer:
        writer.add(table)
    write_numbers(folder, members)
    advance(1)
    return len(members)


def _shingle(
    shard: Shard,
    groups: Pieces,
    boilerplate: CommonLines | None,
    length: int,
    folder: Path,
    advance: Advance,
) -> int:
    """Leave the sets of shingles of those of a file's documents that are in groups: all in one array, with where each
    ends. Returns how many bytes they take.
    """
    import numpy as np

    numbers, hashes = read_numbers(groups.folders, shard.first, shard.end), WordHashes()
    sets = [np.zeros(0, np.uint64)]
    if len(numbers):
        for _, texts, _ in _texts(shard, numbers - shard.first, boilerplate, advance):
            sets += [shingles(text, length, hashes) for text in texts]
    np.save(folder / _HASHES, np.concatenate(sets))
    np.save(folder / _ENDS, np.cumsum([len(one) for one in sets]))
    write_numbers(folder, numbers)
    return sum(one.nbytes + _OBJECT for one in sets[1:])


def _compare(
    groups: Pieces,
    low: int,
    high: int,
    folder: Path,
    advance: Advance,
    *,
    sets: Pieces,
    stored: Sequence[Shard],
    similarity: float,
) -> int:
    """Leave the links between documents of the groups of a range, and the numbers of all that are linked."""
    import numpy as np

    found = groups.between("first", low, high)["members"].combine_chunks()
    distinct = dict.fromkeys(tuple(members) for members in found.to_pylist())
    held = _sets(sets, stored, np.unique(found.flatten().to_numpy()))
    links = np.array(sorted(linked(distinct, held, similarity).items()), dtype=np.int64).reshape(-1, 2)
    np.save(folder / _LINKS, links)
    write_numbers(folder, links)
    advance(1)
    return len(links)


def _sets(sets: Pieces, stored: Sequence[Shard], numbers: NDArray[np.int64]) -> dict[int, NDArray[np.uint64]]:
    """The shingles of some documents, by number; the numbers ascend."""
    import numpy as np

    held: dict[int, NDArray[np.uint64]] = {}
    for place, shard in enumerate(stored):
        here = numbers[slice(*np.searchsorted(numbers, [shard.first, shard.end]))]
        if len(here):
            folder = sets.folder(place)
            hashes, ends = np.load(folder / _HASHES, mmap_mode="r"), np.load(folder / _ENDS)
            at = np.searchsorted(read_numbers([folder], shard.first, shard.end), here)
            bounds = zip(here.tolist(), ends[at].tolist(), ends[at + 1].tolist(), strict=True)
            held |= {number: np.array(hashes[start:end]) for number, start, end in bounds}
    return held


def _join(links: Pieces, count: int, folder: Path, advance: Advance) -> int:
    """Leave for each of `count` documents the smallest number of all that it is linked to."""
    import numpy as np

    np.save(folder / _LABELS, components((np.load(one / _LINKS) for one in links.folders), count))
    advance(1)
    return 0


def _linked(shard: Shard, links: Pieces, labels: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The numbers of a file's documents that are linked to others, and for each that of its group."""
    import numpy as np

    numbers = read_numbers(links.folders, shard.first, shard.end)
    return numbers, np.load(labels, mmap_mode="r")[numbers].astype(np.int64)


def _own_best(shard: Shard, entries: Path, links: Pieces, labels: Path, folder: Path, advance: Advance) -> int:
    """Leave the preferred one of each group's documents in a file: its entry, with the group's `label`."""
    import numpy as np
    import pyarrow as pa

    numbers, groups = _linked(shard, links, labels)
    found = read_between([entries], "key", 0, 1 << 64, ["number", "id", "score", "digest"])
    found = found.filter(np.isin(found["number"].to_numpy(), numbers))
    label = groups[np.searchsorted(numbers, found["number"].to_numpy())]
    best = _first_of_each(found.append_column("label", pa.array(label)))
    with RunWriter(folder, best.schema, "label") as writer:
        writer.add(best)
    advance(shard.rows)
    return len(numbers)


def _best(own: Pieces, low: int, high: int, folder: Path, advance: Advance) -> int:
    """Leave the preferred one of each group whose label is in a range."""
    best = _first_of_each(own.between("label", low, high)).select(["label", "number", "id"])
    with RunWriter(folder, best.schema, "label") as writer:
        writer.add(best)
    advance(1)
    return best.num_rows


def _first_of_each(entries: Any) -> Any:
    """Of each label's entries the preferred one, in the order of labels."""
    import numpy as np

    order = by_preference(entries, "label")
    labels = entries["label"].to_numpy()[order]
    return entries.take(order[np.concatenate([[True], labels[1:] != labels[:-1]])[: len(labels)]])


def _near(shard: Shard, links: Pieces, labels: Path, best: Pieces, folder: Path, advance: Advance) -> int:
    """Leave those of a file's documents that are not the best of their group, with the id of that."""
    import numpy as np
    import pyarrow as pa

    numbers, groups = _linked(shard, links, labels)
    wanted = np.unique(groups)
    kept = read_matching(best.folders, "label", wanted)
    at = np.searchsorted(kept["label"].to_numpy(), groups)
    dropped = numbers != kept["number"].to_numpy()[at]
    rows = {"number": pa.array(numbers[dropped]), "kept": kept["id"].take(at[dropped])}
    table = pa.table(rows, schema=pa.schema({"number": pa.int64(), "kept": pa.large_string()}))
    with RunWriter(folder, table.schema, "number") as writer:
        writer.add(table)
    write_numbers(folder, numbers[dropped])
    advance(shard.rows)
    return int(dropped.sum())
