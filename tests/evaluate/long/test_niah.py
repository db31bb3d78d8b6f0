from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.evaluate.long.niah import Needles, needle
from hornbook.evaluate.long.prompt import Question, TooShortError
from hornbook.evaluate.long.tasks import Materials

KINDS = {
    "noise": ("noise", Needles(32)),
    "text": ("text", Needles(32)),
    "word": ("text", Needles(32, value_kind="word")),
    "uuid": ("text", Needles(64, value_kind="uuid")),
    "multikey": ("text", Needles(32, keys=4)),
    "multivalue": ("text", Needles(128, values=4)),
    "multiquery": ("text", Needles(128, keys=4, asked=4)),
    "only": (None, Needles(32)),
    "only-uuid": (None, Needles(64, key_kind="uuid", value_kind="uuid")),
}


def make(name: str, materials: Materials, length: int, depth: float | None, seed: int) -> Question:
    haystack, needles = KINDS[name]
    return needle(needles, materials.prompter, getattr(materials, haystack) if haystack else None, length, depth, seed)


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=15)
@given(length=st.integers(450, 3000), seed=st.integers(0, 2**40))
def test_every_needle_is_there_once(materials: Materials, name: str, length: int, seed: int) -> None:
    haystack, kind = KINDS[name]
    question = make(name, materials, length, None, seed)
    lines = re.findall(r"The magic \w+ for ([\w-]+) is ([\w-]+)\.", question.text)
    if haystack is not None:
        assert len(lines) == kind.keys * kind.values
        assert len({key for key, _ in lines}) == kind.keys
    assert len({value for _, value in lines}) == len(lines)
    assert len(question.expected) == kind.asked * kind.values
    for value in question.expected:
        assert question.text.lower().count(value.lower()) == 1
    ask = question.text[question.text.rindex("\n\n") :]
    wanted = {key for key, value in lines if value in question.expected}
    assert all(key in ask for key in wanted)
    assert sum(key in ask for key, _ in dict(lines).items()) == len(wanted) == kind.asked
    slack = length - len(question.prompt) - question.room
    assert 0 <= slack <= (55 if haystack is None else 6)  # one needle, or one word


@given(length=st.integers(800, 3000), depth=st.floats(0, 100), seed=st.integers(0, 2**40))
def test_a_single_needle_lies_at_its_depth(materials: Materials, length: int, depth: float, seed: int) -> None:
    question = make("text", materials, length, depth, seed)
    assert question.depth is not None
    hay = question.text.split("\n\n", 1)[1].rsplit("\n\n", 1)[0]
    at = 100 * hay.index("The magic number") / len(hay)
    assert abs(question.depth - depth) <= 100 * 13 / len(hay.split()) + 1  # half of the longest sentence
    assert abs(at - question.depth) < 12  # characters are not words


def test_more_keys_than_fit(materials: Materials) -> None:
    with pytest.raises(TooShortError):
        make("multiquery", materials, 200, None, 1)


def test_the_words_of_a_prompt(materials: Materials) -> None:
    one: Any = make("text", materials, 500, 50, 3)
    assert "has a magic number in it. Remember it" in one.text
    assert re.search(r"What is the magic number for \w+-\w+ in the text above\?\nIn the text above .* is$", one.text)
    four = make("multiquery", materials, 500, None, 3)
    assert re.search(r"What are all the magic numbers for (\S+, ){2}\S+ and \S+ in the text above\?", four.text)
