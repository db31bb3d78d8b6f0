"""What counts as a word when texts are compared with benchmarks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import regex

from hornbook.corpus.normal_form import normal_form
from hornbook.corpus.scripts import UNSPACED, UNSPACED_WORD, is_plain

_WORD = re.compile(r"\w{2,}")
_LETTERS = re.compile(r"[^\W\d_]{2,}")
_WORD_OF_ANY_SCRIPT = regex.compile(
    rf"{UNSPACED_WORD}|[\p{{L}}\p{{N}}_--{UNSPACED}][\p{{L}}\p{{M}}\p{{N}}_--{UNSPACED}]+", regex.V1
)
_LETTERS_OF_ANY_SCRIPT = regex.compile(rf"{UNSPACED_WORD}|[\p{{L}}--{UNSPACED}][\p{{L}}\p{{M}}--{UNSPACED}]+", regex.V1)
_TEMPLATE_RUN = 5
_TEMPLATE_SHARE = 0.2
_TEMPLATE_ITEMS = 5


def words(text: str) -> list[str]:
    """Runs of two or more letters, digits and underscores in the normal form, numbers left out.

    Marks belong to their letter. Scripts that put no spaces between words have a word for each letter.

    Numbers and single letters are too common to tell texts apart: 1 2 3 4 5, `for i in range(n)`, x and y.
    """
    text = normal_form(text)
    found = _WORD.findall(text) if is_plain(text) else _WORD_OF_ANY_SCRIPT.findall(text)
    return [word for word in found if not word.isdecimal()]


def letters(text: str) -> list[str]:
    """Runs of two or more letters in the normal form: a problem stays itself when its numbers change."""
    text = normal_form(text)
    return _LETTERS.findall(text) if is_plain(text) else _LETTERS_OF_ANY_SCRIPT.findall(text)


def without_template(texts: Sequence[str]) -> list[str]:
    """Each text's words, space between, without those that many of the texts have in common.

    "Please answer with true or false" says nothing of a question. What is common is every run of five words that a
    fifth of the texts hold, and five of them at least.
    """
    split = [words(text) for text in texts]
    held = Counter(run for some in split for run in set(_runs(some)))
    enough = max(_TEMPLATE_ITEMS, _TEMPLATE_SHARE * len(texts))
    common = {run for run, number in held.items() if number >= enough}
    return [" ".join(_uncovered(some, common)) for some in split]


def _runs(some: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(some[start : start + _TEMPLATE_RUN]) for start in range(len(some) - _TEMPLATE_RUN + 1)]


def _uncovered(some: list[str], common: set[tuple[str, ...]]) -> list[str]:
    covered = [False] * len(some)
    for start, run in enumerate(_runs(some)):
        if run in common:
            covered[start : start + _TEMPLATE_RUN] = [True] * _TEMPLATE_RUN
    return [word for word, gone in zip(some, covered, strict=True) if not gone]
