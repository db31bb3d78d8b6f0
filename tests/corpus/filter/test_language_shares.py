from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.corpus.filter.language_shares import allowed, group


def test_groups() -> None:
    shares = {"en": 1.0, "*": 0.1}
    assert [group(code, shares) for code in ("en", "de", "und")] == ["en", "*", "*"]
    assert group("de", {"fr": 0.1}) is None


@pytest.mark.parametrize(
    ("amounts", "shares", "expected"),
    [
        ({"en": 90, "*": 10}, {"en": 1, "*": 0.1}, {}),
        ({"en": 900, "*": 900}, {"en": 1, "*": 0.1}, {"*": 100}),
        ({None: 600, "de": 500, "fr": 500}, {"de": 0.3, "fr": 0.1}, {"de": 300, "fr": 100}),
        ({None: 100, "de": 50}, {"de": 0}, {"de": 0}),
        ({"en": 100}, {"en": 0.5}, None),
        ({"en": 100, "de": 100}, {"en": 0.5, "de": 0.5}, {}),
        ({"en": 100, "de": 200}, {"en": 0.5, "de": 0.5}, {"de": 100}),
        ({}, {"en": 0.5}, {}),
    ],
)
def test_what_may_stay(amounts: dict[str | None, int], shares: dict[str, float], expected: object) -> None:
    found = allowed(amounts, shares)
    assert found == (pytest.approx(expected) if isinstance(expected, dict) else expected)


@given(
    st.dictionaries(st.sampled_from(["a", "b", "c"]), st.floats(0.01, 1), max_size=3),
    st.lists(st.integers(0, 10_000), min_size=4, max_size=4),
)
def test_no_share_is_exceeded_and_none_is_cut_without_need(shares: dict[str, float], sizes: list[int]) -> None:
    amounts: dict[str | None, int] = {name: size for name, size in zip("abc", sizes, strict=False) if name in shares}
    amounts[None] = sizes[3]
    room = allowed(amounts, shares)
    if room is None:
        return
    kept = {name: room.get(str(name), amount) for name, amount in amounts.items()}
    total = sum(kept.values())
    for name, amount in kept.items():
        if name is not None:
            assert amount <= shares[name] * total * 1.000001 + 1e-6
            assert amount == amounts[name] or amount == pytest.approx(shares[name] * total)
