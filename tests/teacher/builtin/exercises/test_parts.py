"""Every part's code agrees with its meaning, and no two parts of an axis are said in the same words."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.sandbox.same import same
from hornbook.teacher.builtin.exercises import dictionary_families, number_parts, string_parts
from hornbook.teacher.builtin.exercises.catalogue import FAMILIES
from hornbook.teacher.builtin.exercises.parts import JOINS, ChangeWords, GroupWords, JoinWords, Part

ASCII = st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=8)
LETTERS = st.text(alphabet="aeiouxstABE 12", max_size=8)

NUMBER_PARTS = (*number_parts.NUMBER_TESTS, *number_parts.ANY_NUMBER_CHANGES)
CHARACTER_PARTS = (*string_parts.CHARACTER_TESTS, *string_parts.ANY_CHARACTER_CHANGES)
STRING_PARTS = (*string_parts.STRING_TESTS, *string_parts.ANY_STRING_CHANGES, *dictionary_families.WORD_KEYS)


def _constants(part: Part) -> tuple[Any, ...]:
    return part.constants or (None,)


def _agree(part: Part, value: Any) -> None:
    for k in set(_constants(part)):
        bound = part.bind(k, 0)
        assert same(eval(bound.code("value"), {"value": value}), bound.apply(value)), (part.key, k, value)


@pytest.mark.parametrize("part", NUMBER_PARTS, ids=lambda part: part.key)
@settings(max_examples=40)
@given(value=st.integers(-200, 200) | st.integers())
def test_number_parts(part: Part, value: int) -> None:
    _agree(part, value)


@pytest.mark.parametrize("part", CHARACTER_PARTS, ids=lambda part: part.key)
def test_character_parts(part: Part) -> None:
    for code in range(32, 127):
        _agree(part, chr(code))


@pytest.mark.parametrize("part", STRING_PARTS, ids=lambda part: part.key)
@settings(max_examples=40)
@given(value=ASCII | LETTERS)
def test_string_parts(part: Part, value: str) -> None:
    _agree(part, value)


@pytest.mark.parametrize("operation", number_parts.OPERATIONS, ids=lambda part: part.key)
@given(x=st.integers(-50, 50), y=st.integers(-50, 50))
def test_operations(operation: Part, x: int, y: int) -> None:
    code = operation.code.format(x="x", y="y")
    assert same(eval(code, {"x": x, "y": y}), operation.bind(None, 0).apply(x, y))


@pytest.mark.parametrize("first", number_parts.ANY_NUMBER_CHANGES, ids=lambda part: part.key)
@pytest.mark.parametrize("operation", number_parts.OPERATIONS, ids=lambda part: part.key)
def test_operands_get_the_brackets_they_need(operation: Part, first: Part) -> None:
    joined = operation.bind(None, 0)
    for second in number_parts.ANY_NUMBER_CHANGES:
        left, right = (part.bind(_constants(part)[0], 0) for part in (first, second))
        code = joined.expression(left, right, "a", "b")  # type: ignore[attr-defined]
        for a, b in ((7, 3), (-5, 4), (0, -9)):
            assert eval(code, {"a": a, "b": b}) == joined.apply(left.apply(a), right.apply(b)), code


@pytest.mark.parametrize("join", JOINS, ids=lambda part: part.key)
def test_joins(join: Part) -> None:
    tests = [part.bind(_constants(part)[-1], 0) for part in number_parts.NUMBER_TESTS]
    bound = join.bind(None, 0)
    for first in tests:
        for second in tests:
            for value in range(-12, 120, 5):
                code = bound.condition(first, second, "v")  # type: ignore[attr-defined]
                assert same(eval(code, {"v": value}), bound.passes(first, second, value)), code  # type: ignore[attr-defined]


def _sayings(part: Part) -> Iterator[tuple[str, str]]:
    """Every way to say a part, with the place where it is said that way. Parts that are never said have empty words."""
    for words in part.words:
        if isinstance(words, GroupWords):
            yield from (("group", words.group), ("are", words.are), ("be", words.be))
        elif isinstance(words, ChangeWords):
            yield from (("one", words.one), ("many", words.many), ("then", words.then))
        elif isinstance(words, JoinWords):
            yield from (("one", words.one), ("many", words.many))
        elif words:
            yield ("words", words)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_no_two_parts_of_an_axis_share_a_wording(family: Any) -> None:
    for axis in family.axes:
        assert len({part.key for part in axis}) == len(axis)
        said: dict[tuple[str, str], str] = {}
        for part in axis:
            for saying in _sayings(part):
                assert said.setdefault(saying, part.key) == part.key, saying


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_constants_are_in_code_and_words(family: Any) -> None:
    for part in (part for axis in family.axes for part in axis):
        for _, saying in _sayings(part):
            assert ("{k" in saying) == ("{k" in part.code or (bool(part.constants) and not part.code)), (
                part.key,
                saying,
            )
