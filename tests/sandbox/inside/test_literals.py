"""Literals say exactly what the value is, or nothing."""

from __future__ import annotations

import ast
import enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.sandbox.inside import literals

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text() | st.integers(), inner)
        | st.sets(st.text())
    ),
)


@given(value=plain)
def test_literal_eval_reads_it_back(value: Any) -> None:
    text = literals.write(value, 1 << 20)
    found = ast.literal_eval(text)
    assert found == value
    assert repr(found) == repr(value) or "{" in text


@given(value=plain, room=st.integers(0, 40))
def test_never_longer_than_the_room(value: Any, room: int) -> None:
    try:
        assert len(literals.write(value, room)) <= room
    except literals.TooLongError:
        assert len(literals.write(value, 1 << 20)) > room


@pytest.mark.parametrize(
    "value", [1j, b"", frozenset(), float("nan"), enum.IntEnum("E", "A").A, [object()], {1: {2: len}}, {"a": {b""}}]
)
def test_what_has_none(value: Any) -> None:
    with pytest.raises(literals.NotLiteralError):
        literals.write(value, 1000)


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


def test_depth_is_bounded() -> None:
    assert ast.literal_eval(literals.write(nested(literals.MAX_DEPTH), 1000)) == nested(literals.MAX_DEPTH)
    with pytest.raises(literals.NotLiteralError, match="deeper"):
        literals.write(nested(literals.MAX_DEPTH + 1), 1000)


def test_an_integer_too_long_to_print() -> None:
    with pytest.raises(ValueError, match="limit"):
        literals.write(10**5000, 1 << 20)
