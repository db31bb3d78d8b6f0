"""How refusals are held against each other where models refuse different shares of what is asked."""

from __future__ import annotations

import numpy as np
import pytest

from .scripts import script

equal_refusal = script("equal_refusal")
RANDOM = np.random.default_rng(3)


def test_auc_is_the_share_of_pairs_that_are_ordered_rightly() -> None:
    unsafe, safe = RANDOM.integers(0, 6, 30).astype(float), RANDOM.integers(0, 5, 20).astype(float)
    pairs = [1.0 if one > other else 0.5 if one == other else 0.0 for one in unsafe for other in safe]
    assert equal_refusal.auc(unsafe, safe) == pytest.approx(sum(pairs) / len(pairs))


def test_safe_requests_are_counted_above_the_threshold_that_the_share_of_unsafe_ones_is_above() -> None:
    unsafe, safe = np.arange(100.0), np.arange(-50.0, 50.0)
    assert equal_refusal.safe_at(unsafe, safe, 0.6) == 0.1  # above 39.6 are 40 to 49
    assert equal_refusal.safe_at(unsafe, safe, 1.0) == 0.49
    # What is added to all requests alike, as by a model that refuses everything, changes nothing.
    assert equal_refusal.safe_at(unsafe + 7, safe + 7, 0.6) == 0.1


def test_a_model_that_tells_them_apart_refuses_fewer_safe_ones_at_equal_refusal() -> None:
    able = {"unsafe": RANDOM.normal(2, 1, 200), "safe": RANDOM.normal(0, 1, 250)}
    blind = {"unsafe": RANDOM.normal(50, 1, 200), "safe": RANDOM.normal(50, 1, 250)}
    found = equal_refusal.compared(able, blind, 0.5)
    assert found["more"] == found["other"] - found["first"] > 0.35
    assert found["interval"][0] < found["more"] < found["interval"][1] and found["interval"][0] > 0.25
    again = equal_refusal.compared(able, able, 0.5)
    assert again["more"] == 0 and again["interval"] == [0, 0]
