from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hornbook.evaluate.benchmark import wilson_interval


@pytest.mark.parametrize(("passed", "total"), [(0, 200), (1, 200), (130, 200), (199, 200), (200, 200), (1, 1), (3, 7)])
def test_interval_is_wilsons(passed: int, total: int) -> None:
    wanted = stats.binomtest(passed, total).proportion_ci(method="wilson")
    assert wilson_interval(passed, total) == pytest.approx((wanted.low, wanted.high), abs=1e-6)


def test_interval_of_nothing() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_the_mean_lies_within(scores: list[float]) -> None:
    low, high = wilson_interval(sum(scores), len(scores))
    assert 0 <= low <= sum(scores) / len(scores) + 1e-9
    assert sum(scores) / len(scores) - 1e-9 <= high <= 1
