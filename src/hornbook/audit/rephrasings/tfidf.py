"""Texts as vectors without any model: words, pairs of words and runs of characters, hashed and weighed by rarity.

This finds what shares words, names, numbers or parts of words with an item, in whatever order. It does not know what
words mean: a text told entirely in other words is not near.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from hornbook.corpus.grade.feature_hashing import counts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_COLUMNS = 1 << 18  # for words and pairs, and as many for runs of characters
_RUN = 4  # characters: what inflections and related languages leave of a word
_COMMON = 0.03  # what more of the texts hold tells nothing of any of them
_FEW = 10  # texts that may hold a feature, however few there are
_BASE, _MIX = 0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93


class TfidfEmbedder:
    """Inverse document frequencies of the hashed features that a text has (TF-IDF without counts), rows of length 1."""

    name = "TF-IDF of hashed words, pairs of words and runs of four characters"

    def __init__(self) -> None:
        self._rarity: NDArray[np.float64] | None = None

    def learn(self, batches: Iterable[Sequence[str]]) -> None:
        """Count in how many texts each feature is: that decides what it weighs."""
        import numpy as np

        held, texts = np.zeros(2 * _COLUMNS, dtype=np.int64), 0
        for batch in batches:
            held += np.bincount(_features(batch).indices, minlength=2 * _COLUMNS)
            texts += len(batch)
        self._rarity = np.log((1 + texts) / (1 + held)) + 1
        self._rarity[held > max(_COMMON * texts, _FEW)] = 0.0

    def __call__(self, texts: Sequence[str]) -> Any:
        """One row for each text: (texts, columns), scipy CSR."""
        from sklearn.preprocessing import normalize

        assert self._rarity is not None, "learn first"
        rows = _features(texts)
        rows.data *= self._rarity[rows.indices]
        rows.eliminate_zeros()
        return normalize(rows)


def _features(texts: Sequence[str]) -> Any:
    """Which words, pairs and runs of characters each text has: ones in (texts, 2 * _COLUMNS), scipy CSR."""
    from scipy.sparse import hstack  # type: ignore[import-untyped]

    rows = hstack([counts(texts, _COLUMNS), _runs(texts)], format="csr")
    rows.data[:] = 1.0
    return rows


def _runs(texts: Sequence[str]) -> Any:
    """How often each run of characters occurs, in lower case with single spaces: (texts, _COLUMNS), scipy CSR."""
    import numpy as np
    from scipy.sparse import csr_matrix

    lowered = [f" {' '.join(text.lower().split())} " for text in texts]
    owners = np.repeat(np.arange(len(texts)), [len(text) for text in lowered])
    codes = np.frombuffer("".join(lowered).encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    many = max(0, len(codes) - _RUN + 1)
    hashes = np.zeros(many, dtype=np.uint64)
    for place in range(_RUN):
        hashes = hashes * np.uint64(_BASE) + codes[place : place + many]
    within = owners[:many] == owners[len(owners) - many :]  # else the run goes on in the next text
    mixed = (hashes ^ (hashes >> np.uint64(32))) * np.uint64(_MIX)
    columns = (mixed >> np.uint64(65 - _COLUMNS.bit_length())).astype(np.int64)
    cells = (owners[:many][within], columns[within])
    rows = csr_matrix((np.ones(len(cells[0])), cells), shape=(len(texts), _COLUMNS))
    rows.sum_duplicates()  # older SciPy leaves them, and each would be counted as a text that has the feature
    return rows
