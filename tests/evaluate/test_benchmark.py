from __future__ import annotations

import pytest
from scipy import stats

from hornbook.evaluate.benchmark import wilson_interval


@pytest.mark.parametrize(("passed", "total"), [(0, 200), (1, 200), (130, 200), (199, 200), (200, 200), (1, 1), (3, 7)])
def test_interval_is_wilsons(passed: int, total: int) -> None:
    wanted = stats.binomtest(passed, total).proportion_ci(method="wilson")
    assert wilson_interval(passed, total) == pytest.approx((wanted.low, wanted.high), abs=1e-6)


def test_interval_of_nothing() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)
