"""The proposer: what it may propose, and that nothing allowed is better."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hornbook.optimise.law import features
from hornbook.optimise.propose import LEAST, capped, divergence, draw, propose, rounded, without_crumbs


def problem(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Slopes of some measures, their weights, a natural mixture, and what repetition allows."""
    random = np.random.default_rng(seed)
    domains, measures = int(random.integers(2, 9)), int(random.integers(1, 6))
    natural = random.dirichlet(np.ones(domains)) * 0.99 + 0.01 / domains
    most = natural * random.uniform(1.0, 6.0)  # repetition allows every domain the same multiple of what there is
    slopes = random.normal(size=(measures, 2 * domains)) * random.uniform(0.1, 3)
    slopes[:, domains:] *= random.integers(0, 2, (measures, 1))  # some laws have no logarithms
    return slopes, np.full(measures, 1 / measures), natural, most


def cost(shares: np.ndarray, slopes: np.ndarray, weights: np.ndarray, natural: np.ndarray, penalty: float) -> float:
    losses = np.exp(slopes @ (features(shares) - features(natural)))
    return float(weights @ losses) + penalty * divergence(shares, natural)


# In these the natural mixture, and the ways from it to each domain, lead into valleys that are not the deepest.
@example(21141, 0.0)
@example(21141, 0.1)
@example(21413, 0.1)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.1, 3.0]))
def test_what_is_proposed_is_allowed_and_costs_no_more_than_what_else_is(seed: int, penalty: float) -> None:
    slopes, weights, natural, most = problem(seed)
    found = propose(slopes, weights, natural, most, penalty)
    assert found.sum() == pytest.approx(1, abs=1e-9)
    assert (found >= 0).all() and (found <= most + 1e-9).all()
    for other in (capped(natural, most), *draw(20, natural, most, seed)):
        assert cost(found, slopes, weights, natural, penalty) <= cost(other, slopes, weights, natural, penalty) + 1e-6


@pytest.mark.parametrize("most", [[1.0, 1.0, 1.0], [1.0, 0.5, 1.0]])
def test_the_optimum_of_a_law_that_is_linear_is_known(most: list[float]) -> None:
    # With slopes this small exp is its tangent, and the best is natural · exp(-slope / penalty), added up to 1.
    slope, natural, limits = 1e-4 * np.array([[1.0, -2.0, 0.5, 0, 0, 0]]), np.array([0.6, 0.3, 0.1]), np.array(most)
    best = natural * np.exp(-slope[0, :3] / 2e-4)
    found = propose(slope, np.array([1e4]), natural, limits, 2.0)
    assert found == pytest.approx(capped(best / best.sum(), limits), abs=1e-3)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("penalty", [0.02, 0.1])
def test_of_two_domains_it_is_the_best_of_all_there_are(seed: int, penalty: float) -> None:
    random = np.random.default_rng(seed)
    natural, slopes = random.dirichlet([2, 2]), random.normal(size=(3, 4))
    weights, most = np.full(3, 1 / 3), np.minimum(1.0, 2 * natural + 0.3)
    grid = np.linspace(0, 1, 20_001)[:, None] * [1, -1] + [0, 1]
    allowed = grid[(grid <= most).all(1)]
    losses = np.exp((features(allowed) - features(natural)) @ slopes.T) @ weights
    away = np.array([divergence(shares, natural) for shares in allowed])
    best = allowed[np.argmin(losses + penalty * away)]
    assert propose(slopes, weights, natural, most, penalty) == pytest.approx(best, abs=2e-4)


def test_the_dearer_divergence_is_the_nearer_is_what_is_proposed() -> None:
    slopes, weights, natural, most = problem(5)
    away = [divergence(propose(slopes, weights, natural, most, one), natural) for one in (0.0, 0.1, 1.0, 10.0)]
    assert away == sorted(away, reverse=True) and away[0] > 2 * away[-1] >= 0


def test_nothing_to_gain_is_the_natural_mixture() -> None:
    _, _, natural, most = problem(3)
    found = propose(np.zeros((1, 2 * len(natural))), np.ones(1), natural, most, 0.1)
    assert found == pytest.approx(natural)


@given(st.integers(0, 10_000))
def test_capped_is_allowed_and_leaves_alone_what_is_allowed(seed: int) -> None:
    _, _, natural, most = problem(seed)
    wanted = np.random.default_rng(seed).dirichlet(np.full(len(natural), 0.3))
    shares = capped(wanted, most)
    assert shares.sum() == pytest.approx(1)
    assert (shares <= most + 1e-12).all() and (shares >= 0).all()
    assert capped(natural, most) == pytest.approx(natural)


def test_capped_gives_to_what_nobody_wanted_where_nothing_else_is_left() -> None:
    assert capped(np.array([1.0, 0.0, 0.0]), np.array([0.5, 0.6, 0.4])) == pytest.approx([0.5, 0.3, 0.2])
    assert capped(np.array([0.7, 0.3]), np.array([0.5, 0.5])) == pytest.approx([0.5, 0.5])


def test_draws_are_the_same_for_ever_allowed_and_spread() -> None:
    natural = np.array([0.5, 0.2, 0.2, 0.06, 0.04])
    most = np.minimum(1.0, 4 * natural)
    first = draw(40, natural, most, 1)
    assert all(np.array_equal(a, b) for a, b in zip(first, draw(60, natural, most, 1), strict=False))
    assert not np.array_equal(first[0], draw(1, natural, most, 2)[0])
    for shares in first:
        assert (shares <= most + 1e-12).all() and shares.sum() == pytest.approx(1)
        assert ((shares == 0) | (shares >= LEAST)).all()
    away = sorted(divergence(shares, natural) for shares in first)
    assert away[4] < 0.1
    assert away[-5] > 0.3


def test_crumbs_are_swept_up() -> None:
    swept = without_crumbs(np.array([0.6, 0.3995, 0.0005]), np.ones(3))
    assert swept == pytest.approx([0.6 / 0.9995, 0.3995 / 0.9995, 0])


@given(st.integers(0, 1 << 32))
def test_a_solvers_noise_makes_no_other_proposal(seed: int) -> None:
    random = np.random.default_rng(seed)
    most = np.minimum(1.0, random.dirichlet(np.ones(5)) * random.uniform(1.2, 8))
    shares = capped(random.dirichlet(np.full(5, 0.3)), most)
    found = rounded(shares, most)
    assert found.sum() == pytest.approx(1, abs=1e-12)
    assert (found >= 0).all() and (found <= most + 1e-12).all()
    assert np.abs(found - shares).max() <= 5e-4
    # Noise of the solver's size may cross the middle between two steps, which is a ten-thousandth wide of a step.
    noisy = rounded(capped(np.clip(shares + random.normal(0, 1e-9, 5), 0, None), most), most)
    near = np.abs(shares / 1e-4 % 1 - 0.5) < 1e-3
    at_most = np.abs(most - shares) < 1e-6
    assert (near | at_most).any() or (noisy == found).all()


def test_what_rounding_leaves_goes_where_there_is_room() -> None:
    assert rounded(np.array([0.33333, 0.33333, 0.33334]), np.array([0.33333, 1.0, 0.33334])) == pytest.approx(
        [0.3333, 0.3334, 0.3333], abs=1e-12
    )
    full = np.array([0.33333, 0.33333, 0.33334])
    assert rounded(full, full).tolist() == full.tolist()
