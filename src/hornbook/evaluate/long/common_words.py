"""Common words: which ten does a long list hold most often? (RULER's common words extraction)"""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import dataclass

from hornbook.evaluate.long.prompt import Prompter, Question, TooShortError, fit
from hornbook.evaluate.long.synthetic import ADJECTIVES, NOUNS, distinct, pair
from hornbook.seeds import derive, stream

COMMON = 10
ROOM = 128
_BEGINS = "The ten words that come most often are:"
_SHORTEST_ENTRY = 4  # tokens of "1. quiet-lantern" at the very least
_MOST_PAIRS = len(ADJECTIVES) * len(NOUNS) * 9 // 10


@dataclass(frozen=True)
class _Form:
    """How many times the ten and the others come; and in the example, with how many others there are."""

    shortest: int
    often: int
    seldom: int
    example: tuple[int, int, int] | None


_FORMS = (_Form(8192, 30, 3, (10, 3, 30)), _Form(2048, 10, 1, (3, 1, 10)), _Form(0, 3, 1, None))


def common_words(prompter: Prompter, length: int, seed: int) -> Question:
    """A numbered list in which ten words come many times and all others seldom; a right answer names the ten.

    The ten come 30 times and the others 3 times, after a worked example, as in RULER. Short lists have no room for
    that: below 8,192 tokens it is 10 times and once, below 2,048 3 times and once without an example; and a tokenizer
    that needs many tokens for a word gets the form of a shorter list.
    """
    forms = [form for form in _FORMS if form.shortest <= length]
    for form in forms[:-1]:
        with suppress(TooShortError):
            return _common_words(form, prompter, length, seed)
    return _common_words(forms[-1], prompter, length, seed)


def _common_words(form: _Form, prompter: Prompter, length: int, seed: int) -> Question:
    source = stream(seed, "common words", length)
    often, seldom = form.often, form.seldom
    most = min(length // (_SHORTEST_ENTRY * seldom), _MOST_PAIRS)
    words = distinct(lambda: pair(source), COMMON + most, absent="")
    example = _example(*form.example, source, words) if form.example else ""
    common, others = words[:COMMON], words[COMMON:]

    def build(count: int) -> Question:
        order = random.Random(derive(seed, "order of common words", length, count))
        text = example + _list_text(_numbered(order, common * often + others[:count] * seldom))
        return Question(prompter.ids(text, _BEGINS), f"{text}\n{_BEGINS}", tuple(common), ROOM)

    return fit(build, length, most)


def _list_text(entries: str) -> str:
    return (
        "Here is a numbered list of words. Some of them come more often than others; keep those in mind.\n\n"
        f"{entries}\n\nWhich ten words come most often in the list above?"
    )


def _numbered(order: random.Random, words: list[str]) -> str:
    shuffled = words.copy()
    order.shuffle(shuffled)
    return " ".join(f"{place}. {word}" for place, word in enumerate(shuffled, 1))


def _example(often: int, seldom: int, others: int, source: random.Random, known: list[str]) -> str:
    """A short list with its answer; none of its words is in the list that is asked about."""
    words = distinct(lambda: pair(source), COMMON + others, known=frozenset(known))
    entries = _numbered(source, words[:COMMON] * often + words[COMMON:] * seldom)
    answer = " ".join(f"{place}. {word}" for place, word in enumerate(words[:COMMON], 1))
    return f"{_list_text(entries)}\n{_BEGINS} {answer}\n\n"
