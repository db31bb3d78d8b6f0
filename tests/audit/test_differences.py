from __future__ import annotations

from math import comb

import pytest
from scipy.stats import mannwhitneyu

from hornbook.audit.differences import apart, paired, score


def test_the_interval_of_a_difference_is_newcombes() -> None:
    """His own example, 56 of 70 beside 48 of 80 (Statistics in Medicine 17, 1998, table II, method 10)."""
    found = apart([1.0] * 56 + [0.0] * 14, [1.0] * 48 + [0.0] * 32)
    assert found is not None
    assert (found["difference"], found["low"], found["high"]) == (0.2, 0.0524, 0.3339)


def test_p_is_the_chance_of_as_much() -> None:
    found = apart([1.0] * 9 + [0.0], [1.0] * 6 + [0.0] * 8)
    assert found is not None
    tail = sum(comb(15, right) * comb(9, 10 - right) for right in (9, 10)) / comb(24, 10)
    assert found["p"] == pytest.approx(tail, rel=1e-2)
    fractions = apart([0.9, 0.8, 0.7], [0.1, 0.2])
    assert fractions is not None
    assert fractions["p"] == mannwhitneyu([0.9, 0.8, 0.7], [0.1, 0.2], alternative="greater").pvalue == 0.1
    assert apart([], [1.0]) is apart([1.0], []) is None


def test_paired_answers() -> None:
    found = paired([1.0] * 10 + [0.0] * 6, [0.0] * 7 + [1.0] * 4 + [0.0] * 5, seed=1)
    assert found is not None
    assert (found["lost"], found["gained"], found["difference"]) == (7, 1, 0.375)
    assert found["p"] == pytest.approx(9 / 2**8, rel=1e-2)
    assert 0 < found["low"] < 0.375 < found["high"] < 0.75
    same = paired([1.0, 0.0], [1.0, 0.0], seed=1)
    assert same is not None and (same["p"], same["low"], same["high"]) == (1.0, 0.0, 0.0)
    assert paired([], [], seed=1) is None


def test_a_score() -> None:
    assert score([]) == {"of": 0, "share": None, "low": 0.0, "high": 1.0}
    assert score([0.5, 1.0])["share"] == 0.75
