"""Texts as words and marks: punctuation stands apart from words, as in the tools that applied these rules before.

What stands between two letters or digits belongs to their word, as in `3.5`, `don't`, `foo_bar` and `f(x`, save dots,
commas, hyphens, slashes and such where they separate words. `'s` and its like stand apart; `e.g.`, `U.S.`, `Mr.` and
web addresses stay whole. Every other mark is a token of its own, but several dots are one.
"""

from __future__ import annotations

import re
import sys
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING

import regex

from hornbook.corpus.scripts import UNSPACED_RUN, is_plain, letters, words_without_spaces

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MARK, NUMBER, WORD = range(3)  # kinds of tokens: without letters and digits, with digits only, with letters

_CLITICS = r"(?:s|ll|re|ve|d|m)\b"
_JOINT = rf"""(?:
      [^\w\s.,:<>=/…—–~'’-] | _
    | \.(?!\.) (?<![a-z]\.(?=[A-Z]))
    | ['’](?!{_CLITICS})
    | (?<=\d),(?=\d)
    | (?<!\d)-(?=\d)
    | [:<>=/](?=\d)
)"""
_PATTERN = rf"""
      https?://\S*[\w/] | www\.\S*[\w/]
    | (?:[A-Za-z]\.){{1,40}}+(?!WORD)
    | (?:M(?:rs?|s)|Dr|Prof|St|Jr|Sr|Gen|Gov|Sen|Rep|Inc|Ltd|Co|Corp|vs)\.
    | WORD(?:{_JOINT}+WORD)*
    | (?<!\S)[-@/\\|~^]+(?:WORD(?:{_JOINT}+WORD)*)? | -+
    | ['’]{_CLITICS}
    | \.\.+
    | \S
    """
_TOKEN = re.compile(_PATTERN.replace("WORD", r"[^\W_]+"), re.VERBOSE)
# Where letters have marks of their own, marks belong to words.
_MARKED_TOKEN = regex.compile(
    _PATTERN.replace("WORD", r"[\p{L}\p{N}][\p{L}\p{M}\p{N}\u200c\u200d]*+"), regex.VERBOSE | regex.V1
)
_CLOSING = frozenset(",;:!?)")
_MOST = 1 << 17  # pieces between whitespace that are remembered


def split(text: str) -> Sequence[str]:
    """The words and marks of a text, in their order."""
    if text.isalnum():
        return (text,)
    body, last = text[:-1], text[-1:]
    if last in _CLOSING and body.isalnum():  # what most pieces are that have marks at all
        return (body, last)
    if is_plain(text):
        return _TOKEN.findall(text)
    if UNSPACED_RUN.search(text) is None:
        return _MARKED_TOKEN.findall(text)
    parts = [part for part in UNSPACED_RUN.split(text) if part]
    return [token for part in parts for token in _of_part(part)]


def _of_part(part: str) -> Sequence[str]:
    """The tokens of what is wholly in scripts without spaces, told by ICU's dictionaries, or wholly in others."""
    return words_without_spaces(part) if UNSPACED_RUN.match(part) else _MARKED_TOKEN.findall(part)


class Vocabulary:
    """Numbers for tokens, given as texts are read, and what each number stands for. Most of a text came before."""

    def __init__(self) -> None:
        self._numbers = _Numbers()
        self._pieces = _Pieces(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def full(self) -> bool:
        """Whether it remembers so much that it's time for a fresh one."""
        return len(self._pieces) > _MOST

    def number(self, token: str) -> int:
        """The number of a token."""
        return int.from_bytes(self._numbers[token], sys.byteorder)

    def read(self, text: str) -> NDArray[np.uint32]:
        """The numbers of a text's tokens: (tokens,)."""
        import numpy as np

        return np.frombuffer(b"".join(map(self._pieces.__getitem__, text.split())), np.uint32)

    def kinds(self, numbers: NDArray[np.uint32]) -> NDArray[np.uint8]:
        """MARK, NUMBER or WORD for each of these tokens: (tokens,)."""
        import numpy as np

        return np.frombuffer(bytes(self._numbers.kinds), np.uint8)[numbers]

    def sizes(self, numbers: NDArray[np.uint32]) -> NDArray[np.int64]:
        """The characters of each of these tokens: (tokens,)."""
        import numpy as np

        return np.array(self._numbers.sizes, np.int64)[numbers]

    def letters(self, numbers: NDArray[np.uint32]) -> NDArray[np.int64]:
        """How long each of these tokens is in letters, those of Hangul one by one: (tokens,)."""
        import numpy as np

        return np.array(self._numbers.letters, np.int64)[numbers]


class _Numbers(dict[str, bytes]):
    """Tokens by the order in which they came, uint32, with their kinds and sizes in the same order.

    Bytes and not integers, which join faster and are nothing for the garbage collector to look through.
    """

    def __init__(self) -> None:
        super().__init__()
        self.kinds = bytearray()
        self.sizes = array("I")
        self.letters = array("I")

    def __missing__(self, token: str) -> bytes:
        self[token] = number = len(self).to_bytes(4, sys.byteorder)
        if token.isalpha():
            kind = WORD
        else:
            kind = WORD if any(map(str.isalpha, token)) else NUMBER if any(map(str.isalnum, token)) else MARK
        self.kinds.append(kind)
        self.sizes.append(len(token))
        self.letters.append(letters(token))
        return number


class _Pieces(dict[str, bytes]):
    """The tokens of what stands between whitespace, by their numbers."""

    def __init__(self, numbers: _Numbers) -> None:
        super().__init__()
        self._numbers = numbers

    def __missing__(self, piece: str) -> bytes:
        numbers = self._numbers
        found = numbers[piece] if piece.isalnum() else b"".join(map(numbers.__getitem__, split(piece)))
        self[piece] = found
        return found
