"""What the rules measure of one document at a time; each figure is computed when it is first asked for.

Runs of words that repeat are measured in `repetition`. Tokens are words and marks (see `tokens`); a word has a letter
or a digit. Shares of characters are shares of all of a text's characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import regex

from hornbook.corpus.filter.tokens import MARK, WORD, Vocabulary
from hornbook.corpus.scripts import END, ends_as_written, is_plain

if TYPE_CHECKING:
    from re import Pattern

    import numpy as np
    from numpy.typing import NDArray

_BLANK_LINES = re.compile(r"\n\s*\n")
_SENTENCE_END = re.compile(
    r"""[.!?"'”’)\]](?<![.!?"'”’)\]].)(?:  # the first of a run of marks
          (?<=[.!?])(?<!\b[A-Za-z].)(?<!\b[DM][rs].)(?<!\bMrs.)  # an initial or a title goes on
        | ["'”’)\]]*+[.!?]
        )[.!?"'”’)\]]*+[^\S\n]++(?=[^\W_]|["'“‘(\[])""",
    re.VERBOSE,
)
_OTHER_END = regex.compile(
    rf"(?<!{END}){END}++[\p{{Sentence_Break=Close}}]*+(?=[^\S\n]*+[\p{{L}}\p{{N}}])", regex.V1
)  # of other scripts
_BULLETS = ("•", "-")
_ELLIPSES = ("...", "…")
_ENDS = (".", "!", "?", '"', "'", "。", "！", "？", "．", "｡", "।", "۔", "؟", "։", "።", "‼", "⁇", "⁈", "⁉", "‽")
_STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
_SHORT_LINE = 30  # characters


class Measured:
    """A document under the rules' measures."""

    def __init__(self, text: str, vocabulary: Vocabulary, bad_words: Pattern[str] | None = None) -> None:
        self.text, self._vocabulary, self._bad_words = text, vocabulary, bad_words

    def __getitem__(self, measure: str) -> float:
        """The figure that a rule of the catalogue names."""
        return MEASURES[measure](self)

    def bound(self, measure: str) -> float | None:
        """If a rule isn't broken by this, it isn't by the figure, which takes longer to tell; None for most."""
        if measure == "newlines per token":
            return self.text.count("\n") / max(1, len(self.text.split()))  # whitespace separates tokens
        if measure == "sentences":
            return len(self.lines)  # each has one
        return None

    @cached_property
    def plain(self) -> bool:
        """Whether there is nothing but scripts with spaces and without marks of their own."""
        return is_plain(self.text)

    @cached_property
    def tokens(self) -> NDArray[np.uint32]:
        """The words and marks, by their numbers in the vocabulary: (tokens,)."""
        return self._vocabulary.read(self.text)

    @cached_property
    def kinds(self) -> NDArray[np.uint8]:
        """The kind of each token: (tokens,)."""
        return self._vocabulary.kinds(self.tokens)

    @cached_property
    def words(self) -> int:
        """How many words there are."""
        return int((self.kinds != MARK).sum())

    @cached_property
    def all_lines(self) -> list[str]:
        """The lines without the whitespace around them, also the blank ones."""
        return [line.strip() for line in self.text.splitlines()]

    @cached_property
    def lines(self) -> list[str]:
        """The lines that are not blank, as they stand."""
        return [line for line in self.text.split("\n") if line and not line.isspace()]

    @cached_property
    def paragraphs(self) -> list[str]:
        """What blank lines separate."""
        return _BLANK_LINES.split(self.text.strip())

    def bad(self) -> float:
        """1 if a bad word stands in the text, else 0."""
        return float(self._bad_words is not None and self._bad_words.search(self.text) is not None)

    def word_characters(self) -> int:
        """How many letters the words have."""
        return int(self._vocabulary.letters(self.tokens[self.kinds != MARK]).sum())

    def stop_words(self) -> int:
        """How many of Gopher's eight words are there, in lower case, however often."""
        return sum(bool((self.tokens == self._vocabulary.number(word)).any()) for word in _STOP_WORDS)

    def per_word(self, total: int) -> float:
        """`total` over the number of words."""
        return total / max(1, self.words)

    def per_token(self, total: int) -> float:
        """`total` over the number of words and marks."""
        return total / max(1, len(self.tokens)) if total else 0.0


def bad_words_pattern(words: Sequence[str]) -> Pattern[str] | None:
    """Finds any of these words or phrases standing alone, whatever their case; None for no words."""
    if not words:
        return None
    alternatives = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return re.compile(rf"(?<!\w)(?:{alternatives})(?!\w)", re.IGNORECASE)


def sentences(text: str) -> int:
    """How many sentences a text has: a line that is not blank ends one, and so do `.`, `!` and `?` between words."""
    lines = sum(not line.isspace() for line in text.split("\n") if line)
    if is_plain(text):
        return lines + len(_SENTENCE_END.findall(text))
    return lines + len(_SENTENCE_END.findall(text)) + len(_OTHER_END.findall(text))


def _share(parts: Sequence[str], test: Callable[[str], object]) -> float:
    """The share of parts for which `test` is true."""
    return sum(map(bool, map(test, parts))) / max(1, len(parts))


def _repeated(parts: Sequence[str]) -> float:
    """The share of the parts that are a repetition of an earlier one."""
    return (len(parts) - len(set(parts))) / max(1, len(parts))


def _repeated_characters(parts: Sequence[str], of: int) -> float:
    """The characters of parts that are a repetition of an earlier one, over `of`."""
    return (sum(map(len, parts)) - sum(map(len, set(parts)))) / max(1, of)


MEASURES: dict[str, Callable[[Measured], float]] = {
    "words": lambda document: document.words,
    "mean word": lambda document: document.per_word(document.word_characters()),
    "hashes per token": lambda document: document.per_token(document.text.count("#")),
    "ellipses per token": lambda document: document.per_token(sum(map(document.text.count, _ELLIPSES))),
    "bullet lines": lambda document: _share(document.all_lines, lambda line: line.startswith(_BULLETS)),
    "ellipsis lines": lambda document: _share(document.all_lines, lambda line: line.endswith(_ELLIPSES)),
    "words with letters": lambda document: document.per_word(int((document.kinds == WORD).sum())),
    "stop words": Measured.stop_words,
    "lorem ipsum": lambda document: float("lorem ipsum" in document.text.lower()),
    "curly brackets": lambda document: document.text.count("{"),
    "bad words": Measured.bad,
    "sentences": lambda document: sentences(document.text),
    "ended lines": lambda document: _share(
        document.lines, lambda line: line.rstrip().endswith(_ENDS) or (not document.plain and ends_as_written(line))
    ),
    "short lines": lambda document: _share(document.lines, lambda line: len(line) <= _SHORT_LINE),
    "duplicate characters in lines": lambda document: _repeated_characters(
        document.lines, of=len(document.text) - document.text.count("\n")
    ),
    "newlines per token": lambda document: document.per_token(document.text.count("\n")),
    "duplicate lines": lambda document: _repeated(document.lines),
    "duplicate paragraphs": lambda document: _repeated(document.paragraphs),
    "duplicate line characters": lambda document: _repeated_characters(document.lines, of=len(document.text)),
    "duplicate paragraph characters": lambda document: _repeated_characters(document.paragraphs, of=len(document.text)),
}
