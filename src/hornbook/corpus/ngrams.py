"""Words as numbers: stable 64-bit hashes of words, and of n-grams of words."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MULTIPLIER = 0x9E3779B97F4A7C15  # 2^64 over the golden ratio, odd: multiplying by it loses nothing
_KNOWN = 1_000_000  # words remembered at once: a corpus has more different ones the larger it is


class WordHashes:
    """The same number for a word in every process (Python's own `hash` differs), computed once for most words."""

    def __init__(self) -> None:
        self._known = _Known()

    def __call__(self, words: Sequence[str]) -> NDArray[np.uint64]:
        """One hash for each word: (words,)."""
        import numpy as np

        return np.fromiter(map(self._known.__getitem__, words), dtype=np.uint64, count=len(words))


class _Known(dict[str, int]):
    def __missing__(self, word: str) -> int:
        if len(self) >= _KNOWN:
            self.clear()
        digest = hashlib.blake2b(word.encode("utf-8"), digest_size=8).digest()
        self[word] = value = int.from_bytes(digest, "big")
        return value


def ngram_hashes(hashes: NDArray[np.uint64], length: int) -> NDArray[np.uint64]:
    """A hash for each n-gram of `length` words: (words - length + 1,). A text with fewer words is one."""
    length = max(1, min(length, len(hashes)))
    count = len(hashes) - length + 1
    return fold([hashes[start : start + count] for start in range(length)])


def fold(columns: Sequence[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    """One hash for each row of equally shaped `columns`, in which their order matters: a polynomial modulo 2^64."""
    import numpy as np

    combined = np.zeros_like(columns[0])
    for column in columns:
        combined *= np.uint64(_MULTIPLIER)
        combined += column
    return combined
