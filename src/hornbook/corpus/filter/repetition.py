"""How much of texts stands in runs of tokens that repeat (Rae et al. 2021, table A1), many texts at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from hornbook.corpus.filter.tokens import Vocabulary
from hornbook.corpus.ngrams import fold

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Measure = Callable[["Repetition", NDArray[np.bool_]], NDArray[np.float64]]


_ROOM = 1 << 18  # codes made at once; texts with more different tokens have more made


@dataclass(frozen=True)
class _Repeats:
    """The n-grams of one length that occur more than once in a text: their keys and places, n-gram by n-gram.

    starts: where in these each n-gram begins (n-grams,).
    """

    keys: NDArray[np.uint64]
    places: NDArray[np.int64]
    starts: NDArray[np.int64]


class Repetition:
    """The n-grams of each text's tokens, and what share of all its characters those take that repeat.

    An n-gram that repeats begins with a shorter one that repeats: each length looks only where the last one found some.
    """

    def __init__(self, texts: Sequence[str], tokens: Sequence[NDArray[np.uint32]], vocabulary: Vocabulary) -> None:
        """`tokens`: those of each text, by their numbers in the vocabulary."""
        import numpy as np

        numbers = np.concatenate([np.zeros(0, np.uint32), *tokens])
        lengths = np.fromiter(map(len, tokens), np.int64, count=len(tokens))
        codes = _codes(-(-max(1, len(vocabulary), len(texts)) // _ROOM))
        self._texts = len(texts)
        self._text = np.repeat(np.arange(len(texts)), lengths)  # which text each token is of
        self._end = np.repeat(lengths.cumsum(), lengths)  # where that text ends
        self._codes = codes[numbers]
        self._before = np.concatenate([[0], vocabulary.sizes(numbers).cumsum()])  # characters before each token
        self._characters = np.maximum(1, np.fromiter(map(len, texts), np.int64, count=len(texts)))
        every = np.arange(len(numbers))
        self._repeats = [_Repeats(fold([codes[self._text], self._codes]), every, every)]

    def top(self, length: int) -> NDArray[np.float64]:
        """For each text the share of characters in its most frequent n-gram, if any repeats: (texts,).

        Of equally frequent ones the first counts. Between the tokens of an n-gram stands one space.
        """
        import numpy as np

        found = self._repeating(length)
        if not len(found.starts):
            return np.zeros(self._texts)
        counts = np.diff(found.starts, append=len(found.places))
        first = np.minimum.reduceat(found.places, found.starts)
        texts = self._text[first]
        order = np.lexsort((first, -counts, texts))
        best = order[np.flatnonzero(np.diff(texts[order], prepend=-1))]
        characters = np.zeros(self._texts, np.int64)
        characters[texts[best]] = (self._width(first[best], length) + length - 1) * counts[best]
        return characters / self._characters

    def duplicate(self, length: int, among: NDArray[np.bool_]) -> NDArray[np.float64]:
        """For each text the share of characters in n-grams that occurred before: (texts,).

        Only texts that are `among` those asked for are looked at; the others have 0.

        A text is read from its beginning; after an n-gram that occurred before, reading goes on behind it, so that no
        character counts twice, and n-grams that begin inside it count for nothing. Spaces don't count.
        """
        import numpy as np

        found = self._repeating(length)
        grams = np.repeat(np.arange(len(found.starts)), np.diff(found.starts, append=len(found.places)))
        asked = np.flatnonzero(among[self._text[found.places]])
        order = asked[np.argsort(found.places[asked])]
        seen: set[int] = set()
        again = []
        free = 0
        for place, gram in zip(found.places[order].tolist(), grams[order].tolist(), strict=True):
            if place >= free:
                if gram in seen:
                    again.append(place)
                    free = place + length
                else:
                    seen.add(gram)
        places = np.array(again, np.int64)
        characters = np.bincount(self._text[places], self._width(places, length), minlength=self._texts)
        return np.asarray(characters / self._characters)

    def _width(self, places: NDArray[np.int64], length: int) -> NDArray[np.int64]:
        """The characters of the n-grams at these places, without spaces: (places,)."""
        return self._before[places + length] - self._before[places]

    def _repeating(self, length: int) -> _Repeats:
        while len(self._repeats) < length:
            self._repeats.append(self._longer(self._repeats[-1], len(self._repeats) + 1))
        return self._repeats[length - 1]

    def _longer(self, shorter: _Repeats, length: int) -> _Repeats:
        """The n-grams of this length that repeat, given those that are a word shorter."""
        import numpy as np

        fits = shorter.places + length <= self._end[shorter.places]
        places = shorter.places[fits]
        keys = fold([shorter.keys[fits], self._codes[places + length - 1]])
        order = np.argsort(keys)
        keys, places = keys[order], places[order]
        same = keys[1:] == keys[:-1]
        shared = np.zeros(len(keys), bool)
        shared[1:] = same
        shared[:-1] |= same
        keys, places = keys[shared], places[shared]
        begins = np.ones(len(keys), bool)
        begins[1:] = keys[1:] != keys[:-1]
        return _Repeats(keys, places, np.flatnonzero(begins))


def _top(length: int) -> Measure:
    return lambda repetition, _: repetition.top(length)


def _duplicate(length: int) -> Measure:
    return lambda repetition, among: repetition.duplicate(length, among)


MEASURES: dict[str, Measure] = {
    **{f"top {length}-gram": _top(length) for length in (2, 3, 4)},
    **{f"duplicate {length}-grams": _duplicate(length) for length in range(5, 11)},
}


@cache
def _codes(rooms: int) -> NDArray[np.uint64]:
    """Numbers that look drawn by chance, the same in every process: the first ones of splitmix64 (Steele et al. 2014).

    Small numbers would not do: sums of them, times powers of one multiplier, can be equal by design.
    """
    import numpy as np

    state = np.arange(1, rooms * _ROOM + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
