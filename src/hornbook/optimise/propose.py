"""Which mixtures are tried, and which is proposed: the one of least predicted loss that stays near the natural one.

The objective is convex: predicted losses are exponentials of what is linear in the shares, the Kullback-Leibler
divergence is convex, and what repetition allows is a box. So there is one best mixture, and it is known when it is
found.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hornbook.seeds import derive

Vector = NDArray[np.float64]
LEAST = 0.001  # of a mixture; a smaller share is none
NARROW, WIDE = (
    8.0,
    0.5,
)  # Dirichlet's concentration for each domain of the mixtures nearest the natural one, and furthest
_STEPS = 20_000


def divergence(shares: Vector, natural: Vector) -> float:
    """Kullback-Leibler divergence from the natural mixture in nats."""
    there = shares > 0
    return float(np.sum(shares[there] * np.log(shares[there] / natural[there])))


def capped(wanted: Vector, most: Vector) -> Vector:
    """The shares nearest `wanted` (by divergence) of which none is above its `most`: what is over goes to the others
    in proportion. `most` adds up to 1 at least.
    """
    free = np.ones(len(wanted), dtype=bool)
    while free.any() and wanted[free].sum() > 0:
        shares = np.where(free, wanted * (1 - most[~free].sum()) / wanted[free].sum(), most)
        over = free & (shares > most)
        if not over.any():
            return shares
        free &= ~over
    # Nothing is left to give to: what is wanted nowhere takes the rest, evenly as far as it can.
    shares = np.where(free, 0.0, most)
    return shares + (1 - shares.sum()) * (most - shares) / max(float((most - shares).sum()), 1e-300)


def without_crumbs(shares: Vector, most: Vector) -> Vector:
    """The mixture without shares too small to be one."""
    return capped(np.where(shares < LEAST, 0.0, shares), most)


def draw(count: int, natural: Vector, most: Vector, seed: int) -> list[Vector]:
    """Mixtures from Dirichlet distributions around the natural one, some near it and some far, as RegMix draws them
    (arXiv:2407.01492).
    """
    random = np.random.default_rng(derive(seed, "mixtures"))
    drawn = []
    for _ in range(count):
        concentration = len(natural) * np.exp(random.uniform(np.log(WIDE), np.log(NARROW)))
        drawn.append(without_crumbs(capped(random.dirichlet(concentration * natural), most), most))
    return drawn


def propose(
    slopes: Vector, weights: Vector, natural: Vector, most: Vector, penalty: float, *, tolerance: float = 1e-9
) -> Vector:
    """The shares of least weights · exp(slopes @ (shares - natural)) + penalty · divergence, none above its `most`.

    slopes: (measures, domains). By mirror descent: every step is a mixture that is allowed, and it ends when no
    allowed mixture can be better by more than the tolerance.
    """
    shares, rate = capped(natural, most), 1.0
    for _ in range(_STEPS):
        losses = weights * np.exp(slopes @ (shares - natural))
        slope = losses @ slopes
        whole = slope + penalty * (np.log(shares / natural) + 1)
        if whole @ shares - _least(whole, most) < tolerance:
            break
        while True:
            towards = (np.log(shares) + rate * (penalty * np.log(natural) - slope)) / (1 + rate * penalty)
            step = np.maximum(capped(np.exp(towards - towards.max()), most), 1e-300)
            bound = losses.sum() + slope @ (step - shares) + divergence(step, shares) / rate
            if weights @ np.exp(slopes @ (step - natural)) <= bound + 1e-15:
                break
            rate /= 2
        shares, rate = step, 1.5 * rate
    return shares


def _least(slope: Vector, most: Vector) -> float:
    """The least that slope @ shares can be: all goes where it is lowest, as far as it may."""
    left, found = 1.0, 0.0
    for index in np.argsort(slope, kind="stable"):
        given = min(left, float(most[index]))
        found += given * float(slope[index])
        left -= given
    return found
