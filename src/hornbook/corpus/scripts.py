"""Scripts that put no spaces between words, where a letter, with its marks, is taken for a word."""

from __future__ import annotations

import re

import regex

# Classes for regex.V1. Line_Break SA: Thai, Lao, Khmer, Myanmar and their neighbours, whose words dictionaries tell.
UNSPACED = r"[[\p{Line_Break=SA}\p{Han}\p{Hiragana}\p{Katakana}ー々]&&[\p{L}\p{M}\p{N}]]"
UNSPACED_WORD = rf"{UNSPACED}\p{{M}}*"

# Without any of these, no letter is of such a script and none has marks: `re` finds the same words, faster.
_MARKED_OR_UNSPACED = re.compile("[\u0300-\u036f\u0483-\u0489\u0590-\u1dff\u20d0-\u20ff\u2c00-\U0010ffff]")
_UNSPACED_WORD = regex.compile(UNSPACED_WORD, regex.V1)


def spaced(text: str) -> str:
    """The text with spaces around each letter of scripts that have none between words."""
    return text if is_plain(text) else _UNSPACED_WORD.sub(r" \g<0> ", text)


def is_plain(text: str) -> bool:
    """Whether the text plainly has letters only of scripts with spaces, and none with marks of their own."""
    return text.isascii() or _MARKED_OR_UNSPACED.search(text) is None
