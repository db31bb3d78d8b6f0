"""Solutions of benchmarks among a document's functions, by the shape of their syntax trees."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from zlib import crc32

from hornbook.corpus.decontaminate.benchmarks import Item
from hornbook.corpus.decontaminate.syntax_trees import Shaped, functions, similarity

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_COLUMNS = 256
_WORD = re.compile(r"[A-Za-z][a-z]+|[A-Z]+")
# A shape of so many nodes is enough to know a function by: below it there are few ways to write anything.
_TELLING = 50
# Shorter ones must be more alike and share words with the solution; below the least length they tell nothing.
_SHORT_LIKE = 0.95
_SHARED_WORDS = 0.5
_LEAST = 16


@dataclass(frozen=True)
class SimilarSolution:
    """A solution and the function of a document that is like it, from 0 to 1."""

    item: Item
    similarity: float
    function: Shaped


class Solutions:
    """The functions of benchmarks' solutions, ready to be compared with many others."""

    def __init__(self, items: Sequence[Item]) -> None:
        """Of a solution with several functions the largest stands for it: helpers are anyone's."""
        import numpy as np

        known = [(item, max(functions(item.code), key=lambda one: len(one.shape), default=None)) for item in items]
        self._known = [(item, one) for item, one in known if one is not None and len(one.shape) >= _LEAST]
        self._items = {item for item, _ in self._known}
        self._lengths = np.array([len(one.shape) for _, one in self._known], dtype=np.int64)
        self._bags = np.array([_bag(one.shape) for _, one in self._known], dtype=np.int64).reshape(-1, _COLUMNS)
        self._words = [_words(one.source) for _, one in self._known]
        self._like = lru_cache(maxsize=100_000)(self._compare)

    def __contains__(self, item: Item) -> bool:
        """Whether an item's solution is long enough to be known by its shape."""
        return item in self._items

    def find(self, text: str, *, enough: float, telling: bool = True) -> Iterator[SimilarSolution]:
        """What is `enough` like a solution; with `telling`, short functions must be more alike and share words."""
        if not self._known:
            return
        for function in functions(text):
            if len(function.shape) < _LEAST:
                continue
            shared = _words(function.source)
            for number, like in self._like(function.shape, enough):
                item, one = self._known[number]
                if telling and len(one.shape) < _TELLING:
                    wanted = self._words[number]
                    if like < _SHORT_LIKE or len(wanted & shared) < _SHARED_WORDS * len(wanted):
                        continue
                yield SimilarSolution(item, round(like, 4), function)

    def _compare(self, shape: tuple[str, ...], enough: float) -> list[tuple[int, float]]:
        """Solutions that are at least `enough` like a shape; nodes counted without order rule most of them out."""
        import numpy as np

        together = self._lengths + len(shape)
        most = 2 * np.minimum(self._bags, _bag(shape)).sum(axis=1) / together
        possible = np.flatnonzero(most >= enough).tolist()
        found = ((number, similarity(self._known[number][1].shape, shape)) for number in possible)
        return [(number, like) for number, like in found if like >= enough]


def _bag(shape: Sequence[str]) -> NDArray[np.int64]:
    import numpy as np

    return np.bincount([crc32(node.encode()) % _COLUMNS for node in shape], minlength=_COLUMNS)


def _words(text: str) -> frozenset[str]:
    """The words of names, comments and strings."""
    return frozenset(word.lower() for word in _WORD.findall(text))
