"""Near duplicates: MinHash proposes pairs of documents, and what their words truly share decides.

Words are what spaces separate, and case and punctuation count: in code `a - b` is not `a + b`. The bands of a MinHash
signature (Broder 1997; banding as in Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", ch. 3) make documents
candidates; a pair is near duplicate when the Jaccard similarity of its sets of shingles reaches the wanted one.

Groups are the connected components of such pairs: documents that resemble each other through others are one group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from hornbook.corpus.clean.settings import CleanSettings
from hornbook.corpus.daft_engine import daft
from hornbook.corpus.ngrams import WordHashes, fold, ngram_hashes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def band_keys(texts: Sequence[str], settings: CleanSettings) -> NDArray[np.uint64]:
    """A key for each band of each text's MinHash signature: (texts, bands). Texts that share one are candidates."""
    import numpy as np

    spaced = [" ".join(text.split()) for text in texts]
    signatures = minhash(spaced, hashes=settings.bands * settings.rows, shingle=settings.shingle)
    bands = signatures.reshape(len(texts), settings.bands, settings.rows).astype(np.uint64)
    number = np.broadcast_to(np.arange(settings.bands, dtype=np.uint64), bands.shape[:2])
    return fold([number, *(bands[:, :, row] for row in range(settings.rows))])


def minhash(texts: Sequence[str], *, hashes: int, shingle: int) -> NDArray[np.uint32]:
    """MinHash signatures (texts, hashes) of the sets of `shingle` words in a row; words end at single spaces.

    Computed in this thread, on a series: the threads of Daft's engine now and then crash the interpreter at its end.
    """
    import numpy as np
    import pyarrow as pa

    series = daft().Series.from_arrow(pa.array(texts, pa.large_string()))
    signed = series.minhash(hashes, shingle, 1, "xxhash3_64").to_arrow()
    signatures: NDArray[np.uint32] = np.asarray(signed.flatten(), np.uint32).reshape(-1, hashes)
    return signatures


def candidate_groups(keys: NDArray[np.uint64], rows: Sequence[int]) -> list[list[int]]:
    """Groups of `rows` (ascending numbers into keys: (documents, bands)) that share a band: ascending, in order."""
    import numpy as np

    numbers = np.asarray(rows, dtype=np.int64)
    flat, members = keys[numbers].ravel(), np.repeat(numbers, keys.shape[1])
    order = np.argsort(flat, kind="stable")  # equal keys stay in the order of their rows
    flat, members = flat[order], members[order]
    starts = np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1]])) if len(flat) else np.zeros(0, np.int64)
    ends = np.append(starts[1:], len(flat))
    shared = ends - starts > 1
    return sorted(members[start:end].tolist() for start, end in zip(starts[shared], ends[shared], strict=True))


def shingles(text: str, length: int, hashes: WordHashes) -> NDArray[np.uint64]:
    """The set of a text's shingles, as sorted hashes."""
    import numpy as np

    return np.unique(ngram_hashes(hashes(text.split()), length))


def jaccard(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> float:
    """How much two sets, as sorted arrays, share: what is common over both together. Empty sets share nothing."""
    import numpy as np

    together = np.concatenate([one, other])
    together.sort(kind="stable")  # merges two sorted runs
    common = int((together[1:] == together[:-1]).sum())
    return common / max(1, len(together) - common)


def deduplicate(
    groups: Sequence[Sequence[int]],
    sets: Mapping[int, NDArray[np.uint64]],
    rank: Sequence[int],
    similarity: float,
) -> dict[int, int]:
    """Which documents to drop, each with the one of its group that is kept: the one with the smallest `rank`.

    `groups` hold candidates, `sets` the shingles of each. In a group of n documents that are all alike n - 1 pairs are
    compared, not n * (n - 1) / 2: documents known to belong together are not compared with each other.
    """
    links = _Links()
    for candidates in groups:
        parts: list[list[int]] = []
        for document in candidates:
            apart, together = [], [document]
            for part in parts:
                linked = any(
                    links.root(document) == links.root(other) or _alike(sets[document], sets[other], similarity)
                    for other in part
                )
                if linked:
                    links.join(document, part[0])
                    together = part + together
                else:
                    apart.append(part)
            parts = [*apart, together]
    best: dict[int, int] = {}
    documents = sorted({document for candidates in groups for document in candidates}, key=lambda one: rank[one])
    for document in documents:
        best.setdefault(links.root(document), document)
    return {one: best[links.root(one)] for one in documents if best[links.root(one)] != one}


class _Links:
    """Which documents belong together, directly or through others (union-find)."""

    def __init__(self) -> None:
        self._above: dict[int, int] = {}

    def root(self, document: int) -> int:
        """One document for all that belong together."""
        while (above := self._above.get(document, document)) != document:
            self._above[document] = self._above.get(above, above)
            document = above
        return document

    def join(self, one: int, other: int) -> None:
        """From here on, the two belong together."""
        self._above[self.root(one)] = self.root(other)


def _alike(one: NDArray[np.uint64], other: NDArray[np.uint64], similarity: float) -> bool:
    smaller, larger = sorted((len(one), len(other)))
    return smaller >= similarity * larger and jaccard(one, other) >= similarity
