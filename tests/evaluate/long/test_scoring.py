from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.evaluate.benchmark import wilson_interval as of_shares
from hornbook.evaluate.long.question import Question
from hornbook.evaluate.long.scoring import interval, score


def test_share_of_what_is_expected() -> None:
    four = Question([1], "", ("1111", "Blue-Whale", "3333", "4444"), 9)
    assert score(four, "4444, blue-whale and 9999") == 0.5
    assert score(four, "") == 0
    assert score(four, "1111 BLUE-WHALE 3333 4444 and more") == 1


def test_any_of_several() -> None:
    question = Question([1], "", ("Rome", "the Eternal City"), 9, any_of=True)
    assert score(question, "in the eternal city") == 1
    assert score(question, "in Paris") == 0


@given(st.integers(0, 50), st.integers(1, 50))
def test_for_shares_it_is_wilsons(passed: int, total: int) -> None:
    passed = min(passed, total)
    scores = [1.0] * passed + [0.0] * (total - passed)
    assert interval(scores) == pytest.approx(of_shares(passed, total), abs=1e-12)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_the_mean_lies_within(scores: list[float]) -> None:
    low, high = interval(scores)
    assert 0 <= low <= sum(scores) / len(scores) + 1e-9
    assert sum(scores) / len(scores) - 1e-9 <= high <= 1
    assert interval([]) == (0.0, 1.0)
