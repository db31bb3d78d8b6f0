"""One normal form in which texts are compared: what a reader takes for the same text is the same there.

Character references of HTML are read, compatibility forms and compositions are Unicode's NFKC, what shows nothing
(default-ignorable code points: soft hyphens, zero-width spaces, variation selectors) goes, case is folded, and a letter
that another script lent to a word looks like that word's own (the lookalikes of Unicode's UTS #39).
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from functools import cache, lru_cache

import regex

_REFERENCES = 3  # `&amp;amp;nbsp;`: pages that were escaped this often are still read
_SHOWS_NOTHING = re.compile(  # Default_Ignorable_Code_Point
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
# Without any but these, folding case is all there is to do: letters of European languages, dashes, quotation marks.
_MORE = re.compile(
    "[^\\x00-\x7f\xab\xbb\xc0-\u012f\u0134-\u013e\u0141-\u0148\u014a-\u017e\u2013\u2014\u2018-\u201e\u2022]"
)
_WORD = regex.compile(r"[\p{L}\p{M}]+")
# Cyrillic, Greek, Armenian, Coptic and Cherokee have letters that look like Latin ones.
_LENT = re.compile("[\u0370-\u058f\u13a0-\u13ff\u1c80-\u1c8f\u1f00-\u1fff\u2c80-\u2cff\ua640-\ua69f\uab70-\uabbf]")


def normal_form(text: str) -> str:
    """The text as it is compared: for ASCII without references, its lower case."""
    read = _read(text)
    if read.isascii():
        return read.lower()
    if _MORE.search(read) is None:
        return read.casefold()
    return unicodedata.normalize("NFKC", own_letters(_shown(read)).casefold())


def readable(text: str) -> str:
    """The text with its case and its letters, but references read, compatibility forms gone, and nothing unseen."""
    read = _read(text)
    return read if read.isascii() else _shown(read)


def _read(text: str) -> str:
    for _ in range(_REFERENCES):
        if "&" not in text or (read := html.unescape(text)) == text:
            break
        text = read
    return text


def _shown(text: str) -> str:
    return unicodedata.normalize("NFKC", _SHOWS_NOTHING.sub("", text))


def own_letters(text: str) -> str:
    """The text with words of mixed scripts in one: p\u0430ge with a Cyrillic a is page. Words of one script stay."""
    if _LENT.search(text) is None:
        return text
    return _WORD.sub(lambda match: _unmixed(match.group()), text)


@lru_cache(maxsize=1 << 16)
def _unmixed(word: str) -> str:
    """A word in the script of most of its letters, of equally many Latin, where lookalikes for all others exist."""
    if word.isascii():
        return word
    counts = Counter(script for letter in word if (script := _script(letter)))
    if len(counts) < 2:
        return word
    for script in sorted(counts, key=lambda script: (-counts[script], script != "LATIN", script)):
        letters = [letter if _script(letter) in ("", script) else _lookalike(letter, script) for letter in word]
        if all(letters):
            return "".join(letters)
    return word


@cache
def _script(letter: str) -> str:
    """LATIN, CYRILLIC, ...; nothing for marks."""
    return unicodedata.name(letter, "").partition(" ")[0] if unicodedata.category(letter).startswith("L") else ""


@cache
def _lookalike(letter: str, script: str) -> str:
    """The letter of a script that looks like this one, or like its capital; empty where there is none."""
    from confusable_homoglyphs.confusables import confusables_data

    def of(one: str) -> str:
        found = [like["c"] for like in confusables_data.get(one, ()) if len(like["c"]) == 1]
        fitting = [like for like in found if _script(like) == script and like.isupper() == one.isupper()]
        best = min(fitting, default="")
        return "" if script == "LATIN" and not best.isascii() else best  # none writes \u028c for a Cyrillic el

    return of(letter) or of(letter.upper()).lower()
