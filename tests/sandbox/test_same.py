from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.sandbox.same import same


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (True, 1), (1, 1.0), ([1], (1,)), ("1", 1), (None, False), ([1, 2], [1]), ({1: 2}, {1: 3}), ({1: 2}, {2: 2}),
        ({1: 2}, {True: 2}), ({1}, {True}), ({(1, 2)}, {(True, 2)}), ([[0]], [[False]]), ({"a": [1]}, {"a": [1.0]}),
        (set(), {}), ("a", b"a"), ([], ()), ({1: 2, 3: 4}, {1: 2}),
    ],
)  # fmt: skip
def test_not_the_same(left: Any, right: Any) -> None:
    assert not same(left, right)
    assert not same(right, left)


scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False) | st.text(max_size=2)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(scalars, inner, max_size=3)
        | st.sets(scalars, max_size=3)
    ),
    max_leaves=6,
)


@given(values, values)
def test_same_is_equal_spelling(left: Any, right: Any) -> None:
    """A value is the same as itself read again, and different values of one spelling don't exist."""
    assert same(left, eval(repr(left), {"inf": float("inf")}))
    if repr(left) == repr(right):
        assert same(left, right)
    if same(left, right):
        assert left == right
        assert type(left) is type(right)


def test_the_order_of_keys_does_not_count() -> None:
    assert same({1: 2, 3: 4}, {3: 4, 1: 2})
    assert same([{1, 2}, (1.5, "x")], [{2, 1}, (1.5, "x")])
