"""Whether paired differences are more than chance, and how many pairs it would take to see one of a given size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

LEVEL = 0.05
POWER = 0.8
MOST = 10_000  # pairs; whoever needs more will not have them
_EXACT = 16  # pairs of which all signs are tried: 65,536


@dataclass(frozen=True)
class Paired:
    """Paired differences in figures: Student's 95% interval of the mean, his two-sided p, and that of the exact
    sign-flip test, for which differences need only be as likely up as down. One pair has no interval and no p.
    """

    count: int
    mean: float
    deviation: float | None
    low: float | None
    high: float | None
    p: float | None
    p_exact: float | None


def paired(differences: Sequence[float]) -> Paired:
    """Figures of paired differences (Student 1908; the exact test is Fisher's of 1935)."""
    from scipy import stats  # type: ignore[import-untyped]

    count = len(differences)
    mean = math.fsum(differences) / count
    if count == 1:
        return Paired(1, mean, None, None, None, None, None)
    deviation = math.sqrt(math.fsum((one - mean) ** 2 for one in differences) / (count - 1))
    error = deviation / math.sqrt(count)
    half = float(stats.t.ppf(1 - LEVEL / 2, count - 1)) * error
    exact = sign_flips(differences) if count <= _EXACT else None
    if error > 1e-12 * max(abs(mean), 1e-300):
        p = float(2 * stats.t.sf(abs(mean) / error, count - 1))
    else:  # all pairs differ alike, which no distribution of t knows
        p = 1.0 if mean == 0 else sign_flips(differences[:_EXACT])
    return Paired(count, mean, deviation, mean - half, mean + half, p, exact)


def sign_flips(differences: Sequence[float]) -> float:
    """Two-sided p of the exact test: in what share of all choices of signs the sum is as far from 0 as it is."""
    sizes = [abs(one) for one in differences]
    seen = abs(math.fsum(differences)) * (1 - 1e-12)
    far = sum(
        abs(math.fsum(map(float.__mul__, sizes, signs))) >= seen for signs in product((1.0, -1.0), repeat=len(sizes))
    )
    return far / int(2 ** len(sizes))


def holm(ps: Sequence[float]) -> list[float]:
    """p values adjusted for being several (Holm 1979), in their order."""
    adjusted = [0.0] * len(ps)
    highest = 0.0
    for rank, number in enumerate(sorted(range(len(ps)), key=lambda number: ps[number])):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[number]))
        adjusted[number] = highest
    return adjusted


def power_of(effect: float, deviation: float, count: int, level: float = LEVEL) -> float:
    """How likely a two-sided paired t test on `count` pairs sees a mean difference of `effect` (noncentral t)."""
    from scipy import stats

    away = effect / deviation * math.sqrt(count)
    edge = stats.t.ppf(1 - level / 2, count - 1)
    found = float(stats.nct.sf(edge, count - 1, away) + stats.nct.cdf(-edge, count - 1, away))
    return float(away > edge) if math.isnan(found) else found  # scipy computes no further out


def pairs_needed(effect: float, deviation: float, level: float = LEVEL) -> int | None:
    """The fewest pairs with which a difference of `effect` is seen in four of five studies; None for more than MOST.

    deviation: the standard deviation of the paired differences.
    """
    if deviation <= effect * 1e-6:
        return 2
    low, high = 1, 2  # too few, enough
    while power_of(effect, deviation, high, level) < POWER:
        if high == MOST:
            return None
        low, high = high, min(2 * high, MOST)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power_of(effect, deviation, middle, level) >= POWER else (middle, high)
    return high
