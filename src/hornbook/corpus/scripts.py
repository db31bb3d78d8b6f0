"""Scripts that put no spaces between words, where a letter, with its marks, is taken for a word."""

from __future__ import annotations

import re
import unicodedata

import regex

# Classes for regex.V1. Line_Break SA: Thai, Lao, Khmer, Myanmar and their neighbours, whose words dictionaries tell.
UNSPACED = r"[[\p{Line_Break=SA}\p{Han}\p{Hiragana}\p{Katakana}ー々]&&[\p{L}\p{M}\p{N}]]"
UNSPACED_WORD = rf"{UNSPACED}\p{{M}}*"

# Without any of these, no letter is of such a script and none has marks: `re` finds the same words, faster.
_MARKED_OR_UNSPACED = re.compile("[\u0300-\u036f\u0483-\u0489\u0590-\u1dff\u20d0-\u20ff\u2c00-\U0010ffff]")
_UNSPACED_WORD = regex.compile(UNSPACED_WORD, regex.V1)
UNSPACED_RUN = regex.compile(rf"({UNSPACED}[{UNSPACED}\p{{M}}]*+)", regex.V1)
_HANGUL = re.compile("[\uac00-\ud7a3]")
# Sentence_Terminal beyond ASCII, and what may close after it. Thai, Lao and Tibetan mark no ends of sentences.
END = r"[\p{Sentence_Terminal}--[.!?]]"
_ENDED = regex.compile(
    rf"{END}[\p{{Sentence_Break=Close}}]{{0,8}}\s*\Z|[\p{{Thai}}\p{{Lao}}\p{{Tibetan}}]\p{{M}}*\s*\Z", regex.V1
)
_BEYOND_LATIN = re.compile("[\u0250-\u1dff\u2c00-\U0010ffff]")
_LETTER = regex.compile(r"\p{L}")
_MOST = 2_000  # letters by which a text's script is told


def spaced(text: str) -> str:
    """The text with spaces around each letter of scripts that have none between words."""
    return text if is_plain(text) else _UNSPACED_WORD.sub(r" \g<0> ", text)


def is_plain(text: str) -> bool:
    """Whether the text plainly has letters only of scripts with spaces, and none with marks of their own."""
    return text.isascii() or _MARKED_OR_UNSPACED.search(text) is None


def words_without_spaces(run: str) -> list[str]:
    """The words of a text wholly in such scripts, by ICU's dictionaries."""
    from icu4py.breakers import WordBreaker

    return [word for word in WordBreaker(run, "und") if not word.isspace()]


def mostly_unspaced(text: str) -> bool:
    """Whether most letters at a text's beginning are of scripts without spaces."""
    if text.isascii() or is_plain(text[:_MOST]):
        return False
    some = "".join(_LETTER.findall(text[:_MOST]))
    return 2 * len(_UNSPACED_WORD.findall(some)) > len(some) > 0


def is_latin(text: str) -> bool:
    """Whether most letters at a text's beginning are Latin; so is a text without letters."""
    if text.isascii() or _BEYOND_LATIN.search(text[:_MOST]) is None:
        return True
    some = _LETTER.findall(text[:_MOST])
    return 2 * sum(letter < "\u0250" or "\u1e00" <= letter < "\u1f00" for letter in some) >= len(some)


def ends_as_written(line: str) -> bool:
    """Whether a line ends as sentences of its script do, beside `.`, `!` and `?`."""
    return not line[-10:].isascii() and _ENDED.search(line[-12:]) is not None


def letters(word: str) -> int:
    """A word's length in letters: a syllable of Hangul has two or three."""
    return len(word) if word.isascii() or not _HANGUL.search(word) else len(unicodedata.normalize("NFD", word))
