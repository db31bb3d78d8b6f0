"""Amounts as people type them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.amounts import Count, Length, count, in_words, length
from hornbook.errors import UserError
from hornbook.settings import Settings, parsed


def test_counts_go_by_thousands() -> None:
    assert [count(text) for text in ("0.25M", "250k", "1e6", "1_000_000", "2", "1.5B", "0")] == [
        250_000, 250_000, 1_000_000, 1_000_000, 2, 1_500_000_000, 0,
    ]  # fmt: skip


def test_lengths_go_by_1024() -> None:
    assert [length(text) for text in ("4K", "4k", "0.5k", "1M", "4096", " 96 ")] == [4096, 4096, 512, 1 << 20, 4096, 96]


@pytest.mark.parametrize("text", ["", "M", "-1", "1.2.3", "1T", "1e400", "four", "4Ki", "1.5", "0.1234k", "1e9999999"])
def test_no_amounts(text: str) -> None:
    for read in (count, length):
        with pytest.raises(ValueError, match="is no amount; write"):
            read(text)


@given(st.integers(1, 10**12))
def test_counts_in_words_read_back(number: int) -> None:
    assert count(in_words(number)) == number


def test_counts_in_words() -> None:
    assert [in_words(number) for number in (250_000, 60_000, 984_192, 17)] == ["0.25M", "60k", "984.192k", "17"]


class Reading(Settings):
    tokens: Count = 1
    context: Length = 1


def test_settings_take_them() -> None:
    assert parsed(Reading, ["tokens=8M", "context=4K"], "it") == Reading(tokens=8_000_000, context=4096)
    assert parsed(Reading, ["tokens=1e6", 'context="128"'], "it") == Reading(tokens=1_000_000, context=128)
    with pytest.raises(UserError, match=r"^tokens: 'many' is no amount; write 0\.25M, 250k or 1e6$"):
        parsed(Reading, ["tokens=many"], "it")
