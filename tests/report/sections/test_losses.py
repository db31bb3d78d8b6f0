from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.report.run import Run
from hornbook.report.sections.losses import curves, smoothed, thinned

numbers = st.lists(st.floats(-1e6, 1e6), max_size=60)


def test_few_values_stay_as_they_are():
    assert thinned([3.0, 1.0, 2.0], points=3) == [3.0, 1.0, 2.0]


def test_many_become_means():
    assert thinned([1.0, 3.0, 5.0, 7.0, 9.0], points=3) == [2.0, 6.0, 9.0]


@given(numbers, st.integers(1, 20))
def test_never_more_than_asked_for(values, points):
    assert len(thinned(values, points)) <= points


@given(numbers)
def test_smoothing_keeps_length_and_range(values):
    means = smoothed(values)
    assert len(means) == len(values)
    assert all(min(values) - 1e-6 <= mean <= max(values) + 1e-6 for mean in means)


@pytest.mark.parametrize(("count", "reach"), [(400, 4), (99, 4), (32, 4), (24, 3), (8, 1), (3, 1), (2, 0)])
def test_smoothing_evens_out(count, reach):
    """However few there are: a curve that is the pale one once more would say nothing."""
    values = [float(n % 2) for n in range(count)]
    middle, near = count // 2, 2 * reach + 1
    assert smoothed(values)[middle] == pytest.approx(sum(values[middle - reach : middle + reach + 1]) / near)
    assert (smoothed(values) != values) == (count > 2)


def test_a_stage_without_a_log(make_run):
    run = Run.of(make_run())
    assert curves(run, "read") == {}
    assert curves(run, "dpo")["accuracy"] == [0.5] * 6
