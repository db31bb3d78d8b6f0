"""Student's figures against tables and published examples, exact tests counted by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.study.statistics import MOST, holm, paired, pairs_needed, power_of, sign_flips

# Student's own data (Biometrika 6, 1908, table of section IX): more hours of sleep by the second drug, ten patients.
SLEEP = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]


def test_students_own_example() -> None:
    found = paired(SLEEP)
    assert found.mean == pytest.approx(1.58)
    assert found.deviation == pytest.approx(1.2300, abs=5e-5)
    assert (found.low, found.high) == (pytest.approx(0.7001, abs=5e-5), pytest.approx(2.4599, abs=5e-5))
    assert found.p == pytest.approx(0.002833, abs=5e-7)


@pytest.mark.parametrize(("count", "quantile"), [(2, 12.706), (3, 4.303), (5, 2.776), (10, 2.262), (31, 2.042)])
def test_intervals_have_the_tables_quantiles(count: int, quantile: float) -> None:
    found = paired([float(number) for number in range(count)])
    assert found.deviation is not None and found.high is not None
    assert (found.high - found.mean) / (found.deviation / math.sqrt(count)) == pytest.approx(quantile, abs=5e-4)


def test_sign_flips_are_counted() -> None:
    assert sign_flips([1.0, 2.0, 3.0]) == 2 / 8
    assert sign_flips([1.0, 2.0, -3.0]) == 1.0
    assert sign_flips([1.0, 1.0, 1.0, 1.0, 1.0, 1.0]) == 2 / 64  # the fewest that can go below 0.05
    assert sign_flips([3.0, 2.0, -1.0]) == 4 / 8


def test_one_pair_tells_nothing_of_chance() -> None:
    found = paired([0.3])
    assert (found.mean, found.low, found.p, found.p_exact) == (0.3, None, None, None)


def test_pairs_that_all_differ_alike() -> None:
    assert paired([0.5, 0.5, 0.5]).p == 0.25  # as the exact test has it
    assert paired([0.0, 0.0, 0.0]).p == 1.0


def test_holms_own_steps() -> None:
    # The example of the R manual's `p.adjust` steps, by hand: 4 x .01, 3 x .02, 2 x .03, 1 x .04 made monotone.
    assert holm([0.01, 0.04, 0.03, 0.02]) == pytest.approx([0.04, 0.06, 0.06, 0.06])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=8))
def test_adjusted_values_are_between_the_raw_and_bonferroni(ps: list[float]) -> None:
    for raw, adjusted in zip(ps, holm(ps), strict=True):
        assert raw <= adjusted <= min(1.0, len(ps) * raw) + 1e-12


@pytest.mark.parametrize(("effect", "pairs"), [(0.2, 199), (0.5, 34), (0.8, 15), (1.0, 10)])
def test_sample_sizes_are_those_of_g_power(effect: float, pairs: int) -> None:
    """G*Power 3, paired t test, two-sided, 0.05, power 0.8 (Faul et al. 2007)."""
    assert pairs_needed(effect, 1.0) == pairs
    assert power_of(effect, 1.0, pairs) >= 0.8 > power_of(effect, 1.0, pairs - 1)


def test_too_many_pairs_are_not_counted() -> None:
    assert pairs_needed(1e-4, 1.0) is None
    assert power_of(1e-4, 1.0, MOST) < 0.8
    assert pairs_needed(0.1, 0.0) == 2
