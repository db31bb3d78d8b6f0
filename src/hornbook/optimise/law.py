"""What a mixture does to a loss: log-linear in the shares or in their logarithms, by ridge regression in float64.

ln loss(shares) = level of the size + slope · (features(shares) - features(natural)). With the shares themselves that is
Data Mixing Laws' form (arXiv:2403.16952) without its constant, as Olmix fits it (Chen et al. 2026); with logarithms the
loss is a power of each share, which follows it to shares near 0. The slope may drift with the logarithm of the size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
SOFTENED = 0.01  # added to a share before its logarithm is taken
PENALTIES = tuple(float(penalty) for penalty in np.logspace(-6, 1, 15))


@dataclass(frozen=True)
class Law:
    """slope: (2 domains,), of the logarithm of a loss at the target's size, along the shares and their logarithms:
    one of the two is 0. held_out: (runs,) what was predicted of each run's logarithm by a fit that never saw its
    mixture. error, spread: root mean squares, of what that missed, and of what is missed by the mean of the size.
    """

    slope: Vector
    form: Literal["shares", "logarithms"]
    penalty: float
    drifts: bool
    held_out: Vector
    error: float
    spread: float

    def ratio(self, shares: Vector, natural: Vector) -> float:
        """The predicted loss of a mixture as a multiple of the natural one's."""
        return float(np.exp(self.slope @ (features(shares) - features(natural))))


def features(shares: Vector) -> Vector:
    """Shares (..., domains), and behind them their logarithms, as (..., 2 domains)."""
    return np.concatenate([shares, np.log(shares + SOFTENED)], axis=-1)


def fit(shares: Vector, sizes: Sequence[float], losses: Sequence[float], natural: Vector, target: float) -> Law:
    """Fit the runs. shares: (runs, domains); sizes: parameters of each run's model; target: those predicted for.

    The form, the ridge penalty, and whether the slope drifts, are those that predict left-out mixtures best.
    """
    logarithms = np.log(np.asarray(losses, dtype=np.float64))
    levels = np.array([[float(size == other) for other in sorted(set(sizes))] for size in sizes])
    mixtures = [tuple(row) for row in shares]
    away = np.log(np.asarray(sizes, dtype=np.float64) / target)[:, None]
    best: Law | None = None
    forms: tuple[tuple[Literal["shares", "logarithms"], Vector, Vector], ...] = (
        # A domain's share varies by the root of what it naturally is: so scaled, the penalty treats all alike.
        ("shares", shares - natural, np.sqrt(natural)),
        ("logarithms", features(shares)[:, len(natural) :] - features(natural)[len(natural) :], np.ones(len(natural))),
    )
    for (form, apart, scale), drifts in product(forms, (False, True) if levels.shape[1] > 1 else (False,)):
        scaled = apart / scale
        columns = np.hstack([scaled, scaled * away]) if drifts else scaled
        for penalty in PENALTIES:
            told = _left_out(levels, columns, logarithms, mixtures, penalty)
            error = float(np.sqrt(np.mean((told - logarithms) ** 2)))
            if best is None or error < best.error * (1 - 1e-9):
                own = ridge(levels, columns, logarithms, penalty)[1][: len(natural)] / scale
                parts = (own, 0 * own) if form == "shares" else (0 * own, own)
                best = Law(np.concatenate(parts), form, penalty, drifts, told, error, 0.0)
    assert best is not None
    nothing = _left_out(levels, np.zeros((len(shares), 0)), logarithms, mixtures, 0.0)
    spread = float(np.sqrt(np.mean((nothing - logarithms) ** 2)))
    return replace(best, spread=spread)


def ridge(levels: Vector, columns: Vector, values: Vector, penalty: float) -> tuple[Vector, Vector]:
    """Least squares of values = levels @ a + columns @ b with penalty · runs · |b|² on top. Returns a and b."""
    count = columns.shape[1]
    pull = np.hstack([np.zeros((count, levels.shape[1])), np.sqrt(penalty * len(values)) * np.eye(count)])
    design = np.vstack([np.hstack([levels, columns]), pull])
    found = np.linalg.lstsq(design, np.concatenate([values, np.zeros(count)]), rcond=None)[0]
    return found[: levels.shape[1]], found[levels.shape[1] :]


def _left_out(
    levels: Vector, columns: Vector, values: Vector, mixtures: Sequence[tuple[float, ...]], penalty: float
) -> Vector:
    """Each run's value as it is predicted without any run of its mixture."""
    told = np.empty(len(values))
    for mixture in set(mixtures):
        out = np.array([one == mixture for one in mixtures])
        a, b = ridge(levels[~out], columns[~out], values[~out], penalty)
        told[out] = levels[out] @ a + columns[out] @ b
    return told


def agreement(first: Sequence[float], second: Sequence[float]) -> tuple[int, int]:
    """Of how many pairs both sequences say the same order, and how many pairs there are; a tie agrees with none."""
    pairs = list(combinations(range(len(first)), 2))
    same = sum((first[a] - first[b]) * (second[a] - second[b]) > 0 for a, b in pairs)
    return same, len(pairs)
