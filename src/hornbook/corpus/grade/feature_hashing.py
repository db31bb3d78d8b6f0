"""Words and pairs of words as columns of a sparse matrix, hashed without a vocabulary, many texts at once.

Everything happens in arrays over the characters of all texts together: a word's hash is a difference of prefix sums of
a polynomial over its characters (Karp and Rabin 1987, modulo 2^64), so that no word is ever a Python object.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BASE = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2^64
_INVERSE = pow(_BASE, -1, 1 << 64)
_MIX = 0xD6E8FEB86659FD93
_AT_ONCE = 1 << 19  # characters: arrays of this size stay in the processor's cache
_SPACE, _WORD, _MARK = 0, 1, 2


def counts(texts: Sequence[str], columns: int) -> Any:
    """How often each word and each pair of words occurs: (texts, columns) scipy CSR, float64, columns in order.

    Words are runs of letters, digits and underscores in lower case, or runs of other visible characters: in code `):`
    says as much as a word does. `columns` is a power of two.
    """
    import numpy as np
    from scipy.sparse import csr_matrix  # type: ignore[import-untyped]

    lengths, places, values = [0], [], []
    for some in _batches(texts):
        owners, hashes = _tokens(some)
        together = owners[1:] == owners[:-1]
        pairs = (hashes[:-1] * np.uint64(_MIX) + hashes[1:])[together]
        row = np.concatenate([owners, owners[1:][together]])
        column = _columns(np.concatenate([hashes, pairs]), columns)
        cells, number = np.unique(row * columns + column, return_counts=True)
        lengths += np.bincount(cells // columns, minlength=len(some)).tolist()
        places.append(cells % columns)
        values.append(number)
    if len(texts) == 0:
        return csr_matrix((0, columns), dtype=np.float64)
    flat = (np.concatenate(values).astype(np.float64), np.concatenate(places), np.cumsum(lengths))
    return csr_matrix(flat, shape=(len(texts), columns))


def _batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Texts in groups of about _AT_ONCE characters."""
    start = held = 0
    for number, text in enumerate(texts):
        held += len(text) + 1
        if held >= _AT_ONCE or number == len(texts) - 1:
            yield texts[start : number + 1]
            start, held = number + 1, 0


def _tokens(texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """For each word of all texts, in order: the number of its text, and its hash."""
    import numpy as np

    lowered = [text.lower() for text in texts]
    ends = np.cumsum([len(text) + 1 for text in lowered], dtype=np.int64)
    characters = np.frombuffer(("\n".join(lowered) + "\n").encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    kinds = _kinds()[characters]
    change = np.flatnonzero(kinds[1:] != kinds[:-1]) + 1
    bounds = np.concatenate([[0], change, [len(kinds)]])
    visible = kinds[bounds[:-1]] != _SPACE
    starts, stops = bounds[:-1][visible], bounds[1:][visible]
    power, inverse = _powers(1 << len(characters).bit_length())
    sums = np.zeros(len(characters) + 1, dtype=np.uint64)
    np.cumsum(characters * power[: len(characters)], out=sums[1:])
    return np.searchsorted(ends, starts, side="right"), (sums[stops] - sums[starts]) * inverse[starts]


def _columns(hashes: NDArray[np.uint64], columns: int) -> NDArray[np.int64]:
    """The column of each hash: its upper bits, mixed, as the lower ones of a polynomial hardly depend on its start."""
    import numpy as np

    mixed = (hashes ^ (hashes >> np.uint64(32))) * np.uint64(_MIX)
    return np.asarray(mixed >> np.uint64(65 - columns.bit_length()), dtype=np.int64)


@cache
def _powers(count: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """The first `count` powers of the base, and of its inverse, modulo 2^64."""
    import numpy as np

    def powers(base: int) -> NDArray[np.uint64]:
        factors = np.full(count, base, dtype=np.uint64)
        factors[0] = 1
        return np.cumprod(factors, dtype=np.uint64)

    return powers(_BASE), powers(_INVERSE)


@cache
def _kinds() -> NDArray[np.uint8]:
    """For each code point whether it is white space, part of a word, or another visible character."""
    import numpy as np

    letters = [
        _WORD if character.isalnum() else _SPACE if character.isspace() else _MARK for character in _everything()
    ]
    letters[ord("_")] = _WORD
    return np.array(letters, dtype=np.uint8)


def _everything() -> Iterator[str]:
    return map(chr, range(sys.maxunicode + 1))
