"""The fit against numpy's least squares; what it recovers, what it predicts of mixtures it never saw."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.optimise.law import agreement, fit, ridge

NATURAL = np.array([0.5, 0.3, 0.15, 0.05])


def test_without_a_penalty_it_is_least_squares() -> None:
    random = np.random.default_rng(1)
    levels = np.eye(2)[random.integers(0, 2, 30)]
    features, values = random.normal(size=(30, 4)), random.normal(size=30)
    a, b = ridge(levels, features, values, 0.0)
    reference = np.linalg.lstsq(np.hstack([levels, features]), values, rcond=None)[0]
    assert np.concatenate([a, b]) == pytest.approx(reference, abs=1e-12)


def test_with_one_it_solves_the_normal_equations() -> None:
    random = np.random.default_rng(2)
    levels, features, values = np.ones((20, 1)), random.normal(size=(20, 3)), random.normal(size=20)
    a, b = ridge(levels, features, values, 0.1)
    design = np.hstack([levels, features])
    pull = np.diag([0.0, 2.0, 2.0, 2.0])  # 0.1 for each of 20 runs
    reference = np.linalg.solve(design.T @ design + pull, design.T @ values)
    assert np.concatenate([a, b]) == pytest.approx(reference, abs=1e-12)


def synthetic(slopes: dict[float, np.ndarray], noise: float = 0.0) -> tuple[np.ndarray, list[float], list[float]]:
    random = np.random.default_rng(3)
    mixtures = random.dirichlet(10 * NATURAL, 24)
    shares, sizes, losses = [], [], []
    for size, slope in slopes.items():
        for mixture in mixtures:
            shares.append(mixture)
            sizes.append(size)
            losses.append(float(np.exp(5 - 0.1 * np.log(size) + slope @ (mixture - NATURAL) + noise * random.normal())))
    return np.array(shares), sizes, losses


def test_a_law_is_found_again() -> None:
    slope = np.array([0.3, -0.8, 0.1, 0.4])
    slope -= slope.mean()  # shares add up to 1, so a constant in all slopes says nothing
    law = fit(*synthetic({1e5: slope, 1e6: slope}), NATURAL, 1e7)
    for shares in np.random.default_rng(4).dirichlet(5 * NATURAL, 20):
        assert law.ratio(shares, NATURAL) == pytest.approx(np.exp(slope @ (shares - NATURAL)), rel=1e-3)
    assert law.form == "shares"
    assert law.error < 1e-3
    assert law.spread > 0.05


def test_where_losses_are_powers_of_shares_logarithms_are_taken_and_follow_to_small_ones() -> None:
    mixtures = np.random.default_rng(3).dirichlet(10 * NATURAL, 24)
    power = np.array([-0.1, -0.4, 0.0, -0.2])
    losses = np.exp(1 + np.log(mixtures + 0.01) @ power)
    law = fit(mixtures, [1e5] * 24, losses.tolist(), NATURAL, 1e6)
    assert law.form == "logarithms"
    shares = np.array([0.9, 0.002, 0.095, 0.003])
    expected = np.exp((np.log(shares + 0.01) - np.log(NATURAL + 0.01)) @ power)
    assert law.ratio(shares, NATURAL) == pytest.approx(expected, rel=0.02)


def test_a_slope_that_drifts_with_the_size_is_followed_to_the_targets() -> None:
    slope, drift = np.array([0.3, -0.8, 0.1, 0.4]), np.array([-0.1, 0.2, 0.0, -0.1])
    runs = synthetic({size: slope + drift * np.log(size / 1e7) for size in (1e5, 1e6)})
    law = fit(*runs, NATURAL, 1e7)
    assert law.drifts
    shares = np.array([0.3, 0.5, 0.1, 0.1])
    assert law.ratio(shares, NATURAL) == pytest.approx(np.exp(slope @ (shares - NATURAL)), rel=2e-3)


def test_where_shares_do_nothing_nothing_is_claimed() -> None:
    law = fit(*synthetic({1e5: np.zeros(4)}, noise=0.01), NATURAL, 1e6)
    assert abs(np.log(law.ratio(np.array([0.2, 0.2, 0.3, 0.3]), NATURAL))) < 0.01
    assert law.error == pytest.approx(law.spread, rel=0.05)


def test_a_left_out_mixture_is_left_out_at_every_size() -> None:
    shares, sizes, losses = synthetic({1e5: np.zeros(4), 1e6: np.zeros(4)})
    spoiled = [loss * (50 if np.array_equal(row, shares[0]) else 1) for row, loss in zip(shares, losses, strict=True)]
    told = fit(shares, sizes, spoiled, NATURAL, 1e6).held_out
    others = [n for n, row in enumerate(shares) if not np.array_equal(row, shares[0])]
    assert abs(told[0] - np.log(losses[0])) < 1.0 < np.log(spoiled[0]) - told[0]
    assert len(others) == len(shares) - 2


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=8))
def test_agreement_counts_pairs(values: list[tuple[int, int]]) -> None:
    first, second = [float(a) for a, _ in values], [float(b) for _, b in values]
    same, pairs = agreement(first, second)
    assert pairs == len(values) * (len(values) - 1) // 2
    ordered = sum(
        (first[a] < first[b] and second[a] < second[b]) for a in range(len(values)) for b in range(len(values))
    )
    assert same == ordered
    assert agreement(first, [-one for one in second])[0] <= pairs - same
