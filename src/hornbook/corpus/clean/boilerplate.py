"""What many documents share and none is about: a licence's header, a site's menu. It is taken off before comparing.

A line is common when more documents than `clean.boilerplate` have it, exact duplicates counted once. Common lines that
follow each other, with `clean.boilerplate_words` together, are boilerplate where the rest of the document is a text of
its own: at least ten pairs of neighbouring words that no common line has, and half of all its pairs. So what is left of
a copy with a few words changed, whose lines are common because there are many such copies, is no text of its own: such
documents are compared whole. And the few lines that short functions of one kind share are no boilerplate.

Lines are counted file by file, then range by range of their hashes, and nobody holds more than one range of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.corpus.clean.settings import CleanSettings
from hornbook.corpus.daft_engine import daft
from hornbook.corpus.ngrams import WordHashes, ngram_hashes
from hornbook.corpus.scripts import spaced
from hornbook.corpus.shuffle import LeftOut, chosen, ranges, rows_left
from hornbook.documents import Shard
from hornbook.files import digest_value
from hornbook.progress import Progress
from hornbook.runs.manifest import SCRATCH
from hornbook.workers.portion import Advance, Portion
from hornbook.workers.work import work_through

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_OWN = 10  # pairs of words that make a text of its own
_RARE = 100_000  # in larger corpora a common line is in one of so many documents: what all workers hold stays bounded
_RANGE = 1_000_000  # lines counted together

_LINES, _COUNTS, _FIRST, _PAIRS = "lines.npy", "counts.npy", "first.npy", "pairs.npy"


@dataclass(frozen=True)
class CommonLines:
    """Where the common lines of a corpus lie, and the pairs of neighbouring words in them. `words`: how many in a
    row make boilerplate. `key` names all of it.
    """

    lines: Sequence[Path]
    pairs: Sequence[Path]
    words: int
    key: str

    def load(self) -> Boilerplate:
        """Read them."""
        import numpy as np

        nothing = np.zeros(0, np.uint64)
        lines, pairs = (
            np.unique(np.concatenate([nothing, *(np.load(path) for path in paths)]))
            for paths in (self.lines, self.pairs)
        )
        return Boilerplate(lines, pairs, self.words)


class Boilerplate:
    """Takes boilerplate off texts. `lines` and `pairs` are sorted hashes: of common lines, of word pairs in them.
    So many `words` of common lines in a row are boilerplate.
    """

    def __init__(self, lines: NDArray[np.uint64], pairs: NDArray[np.uint64], words: int) -> None:
        self.lines, self.pairs, self._least, self._words = lines, pairs, words, WordHashes()

    def taken_off(self, texts: Sequence[str]) -> list[str]:
        """The texts without boilerplate; those that have none, or little else, are what they were."""
        import numpy as np

        left = list(texts)
        cut = _Lines(texts)
        common = _among(cut.hashes, self.lines) & cut.filled
        if not common.any():
            return left
        off = self._in_long_runs(cut, common)
        for document in np.unique(cut.documents[off]).tolist():
            start, end = np.searchsorted(cut.documents, [document, document + 1]).tolist()
            lines = zip(texts[document].split("\n"), off[start:end].tolist(), strict=True)
            own = "\n".join(line for line, taken in lines if not taken).strip("\n")
            if self._is_a_text(own):
                left[document] = own
        return left

    def _in_long_runs(self, cut: _Lines, common: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which lines are in runs of common ones that are long enough. Blank lines end no run, and go with it."""
        import numpy as np

        places = np.flatnonzero(cut.filled)
        documents, taken = cut.documents[places], common[places]
        begins = np.flatnonzero(np.concatenate([[True], (documents[1:] != documents[:-1]) | (taken[1:] != taken[:-1])]))
        words = np.add.reduceat(cut.words[places] * taken, begins)
        long = np.repeat(words >= self._least, np.diff(np.append(begins, len(places))))
        off = np.zeros(len(common), dtype=bool)
        off[places] = long
        # A blank line does what the line before it does, in its document.
        before = np.maximum.accumulate(np.where(cut.filled, np.arange(len(common)), 0))
        result: NDArray[np.bool_] = off[before] & (cut.documents[before] == cut.documents)
        return result

    def _is_a_text(self, own: str) -> bool:
        words = spaced(own).split()
        if len(words) <= _OWN:
            return False
        pairs = ngram_hashes(self._words(words), 2)
        fresh = int((~_among(pairs, self.pairs)).sum())
        return fresh >= _OWN and 2 * fresh >= len(pairs)


class _Lines:
    """The lines of some texts, in order, all in one.

    `hashes` are of a line without the spaces around it, `filled` tells whether anything is left, `documents` whose line
    it is, `words` how many it has.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        nested = pc.split_pattern(pa.array(texts, pa.large_string()), "\n")
        self._lines = pc.utf8_trim_whitespace(nested.flatten())
        self.documents: NDArray[np.int64] = pc.list_parent_indices(nested).to_numpy(zero_copy_only=False)
        self.filled: NDArray[np.bool_] = pc.greater(pc.binary_length(self._lines), 0).to_numpy(zero_copy_only=False)
        hashed = daft().Series.from_arrow(self._lines).hash().to_arrow()
        self.hashes: NDArray[np.uint64] = np.asarray(hashed, np.uint64)

    @property
    def words(self) -> NDArray[np.int64]:
        import pyarrow.compute as pc

        counts: NDArray[Any] = pc.list_value_length(pc.utf8_split_whitespace(self._lines)).to_numpy(
            zero_copy_only=False
        )
        return counts.astype("int64")

    def chosen(self, wanted: NDArray[np.bool_]) -> list[str]:
        """Some of the lines."""
        import pyarrow as pa

        lines: list[str] = self._lines.filter(pa.array(wanted)).to_pylist()
        return lines


def _among(values: NDArray[np.uint64], known: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which values are in a sorted array."""
    import numpy as np

    if not len(known):
        return np.zeros(len(values), dtype=bool)
    found: NDArray[np.bool_] = known[np.minimum(np.searchsorted(known, values), len(known) - 1)] == values
    return found


def common_lines(
    stored: Sequence[Shard],
    left_out: LeftOut | None,
    settings: CleanSettings,
    *,
    into: Path,
    progress: Progress,
) -> CommonLines:
    """The lines that more documents than `settings.boilerplate` have, but for those that are `left_out`.

    Works in portions.
    """
    import numpy as np

    most = max(settings.boilerplate, sum(shard.rows for shard in stored) // _RARE)
    scratch = into / SCRATCH
    counted = [
        Portion.over(
            shard,
            scratch / f"lines-{place:05d}",
            partial(_count_shard, shard, place, left_out),
            shard.first,
            left_out and left_out.key,
        )
        for place, shard in enumerate(stored)
    ]
    distinct = sum(work_through(counted, "count lines", progress))
    key = digest_value([[portion.key for portion in counted], most])
    parts = ranges(distinct, _RANGE)
    folders = [portion.folder for portion in counted]
    merged = [
        Portion(
            folder=scratch / f"common-{part:05d}",
            key=digest_value([key, low, high]),
            work=partial(_merge, folders, low, high - 1, most),
            size=12 * distinct // len(parts),
            units=distinct / len(parts),
        )
        for part, (low, high) in enumerate(parts)
    ]
    work_through(merged, "find common lines", progress)
    places = np.unique(np.concatenate([np.load(portion.folder / _FIRST) for portion in merged])).tolist()
    found = [portion.folder for portion in merged]
    pairs = [
        Portion.over(
            stored[place], scratch / f"pairs-{place:05d}", partial(_pairs_of_shard, stored[place], found, place), key
        )
        for place in places
    ]
    work_through(pairs, "read common lines", progress)
    return CommonLines(
        lines=[folder / _LINES for folder in found],
        pairs=[portion.folder / _PAIRS for portion in pairs],
        words=settings.boilerplate_words,
        key=digest_value([key, settings.boilerplate_words]),
    )


def _count_shard(shard: Shard, place: int, left_out: LeftOut | None, folder: Path, advance: Advance) -> int:
    """Keep the hashes of a file's lines, sorted, and in how many documents each is. Returns how many there are."""
    import numpy as np

    lines, counts = np.zeros(0, np.uint64), np.zeros(0, np.uint32)
    held: list[tuple[NDArray[np.uint64], NDArray[np.uint32]]] = []
    for _, batch in chosen(shard.batches(["text"]), rows_left(left_out, place, shard), advance):
        cut = _Lines(batch["text"].to_pylist())
        hashes, documents = cut.hashes[cut.filled], cut.documents[cut.filled]
        order = np.lexsort([documents, hashes])
        hashes, documents = hashes[order], documents[order]
        once = np.ones(len(hashes), dtype=bool)
        once[1:] = (hashes[1:] != hashes[:-1]) | (documents[1:] != documents[:-1])
        found, numbers = np.unique(hashes[once], return_counts=True)
        held.append((found, numbers.astype(np.uint32)))
        if sum(len(one) for one, _ in held) > max(1_000_000, len(lines)):
            lines, counts = _added([(lines, counts), *held])
            held = []
    lines, counts = _added([(lines, counts), *held])
    np.save(folder / _LINES, lines)
    np.save(folder / _COUNTS, counts)
    return len(lines)


def _added(
    parts: Sequence[tuple[NDArray[np.uint64], NDArray[np.uint32]]],
) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
    """Counts of equal lines, added: sorted."""
    import numpy as np

    lines, places = np.unique(np.concatenate([one for one, _ in parts]), return_inverse=True)
    counts = np.zeros(len(lines), np.uint32)
    np.add.at(counts, places, np.concatenate([numbers for _, numbers in parts]))
    return lines, counts


def _merge(folders: Sequence[Path], low: int, high: int, most: int, folder: Path, advance: Advance) -> None:
    """Keep the common lines with hashes from `low` to `high`, and the first file in which each is."""
    import numpy as np

    parts, files = [], []
    for place, counted in enumerate(folders):
        lines = np.load(counted / _LINES, mmap_mode="r")
        start = np.searchsorted(lines, np.uint64(low), "left")
        end = np.searchsorted(lines, np.uint64(high), "right")
        parts.append((lines[start:end], np.load(counted / _COUNTS, mmap_mode="r")[start:end]))
        files.append(np.full(end - start, place, dtype=np.uint32))
        advance(int(end - start))
    lines, counts = _added(parts)
    common = lines[counts > most]
    everywhere = np.concatenate([one for one, _ in parts])
    order = np.lexsort([np.concatenate(files), everywhere])
    first = np.searchsorted(everywhere[order], common)
    np.save(folder / _LINES, common)
    np.save(folder / _FIRST, np.concatenate(files)[order][first])


def _pairs_of_shard(shard: Shard, found: Sequence[Path], place: int, folder: Path, advance: Advance) -> None:
    """Keep the pairs of neighbouring words in those common lines that are in this file first."""
    import numpy as np

    lines, first = (np.concatenate([np.load(one / name) for one in found]) for name in (_LINES, _FIRST))
    wanted, hashes = lines[first == place], WordHashes()
    pairs = [np.zeros(0, np.uint64)]
    for batch in shard.batches(["text"]):
        if len(wanted):
            cut = _Lines(batch["text"].to_pylist())
            here = _among(cut.hashes, wanted)
            numbers, at = np.unique(cut.hashes[here], return_index=True)
            once = np.zeros(len(here), dtype=bool)
            once[np.flatnonzero(here)[at]] = True
            pairs += [ngram_hashes(hashes(spaced(line).split()), 2) for line in cut.chosen(once)]
            wanted = np.setdiff1d(wanted, numbers, assume_unique=True)
        advance(batch.num_rows)
    np.save(folder / _PAIRS, np.unique(np.concatenate(pairs)))
