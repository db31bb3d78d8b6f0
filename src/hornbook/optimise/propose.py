"""Which mixtures are tried, and which is proposed: the one of least predicted loss, where to be far from the natural
one costs something.

What is made small is convex where losses are exponentials in the shares. Those in their logarithms need not be, hence
several starts: the natural mixture, each domain alone, the ways between, and the best of many drawn ones.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hornbook.optimise.law import SOFTENED, features
from hornbook.seeds import derive

Vector = NDArray[np.float64]
LEAST = 0.001  # of a mixture; a smaller share is none
NARROW, WIDE = (
    8.0,
    0.5,
)  # Dirichlet's concentration for each domain of the mixtures nearest the natural one, and furthest
_STARTS = 200  # mixtures near the natural one and as many from everywhere, the best of which are gone on from
_STEP = 1e-4  # of a share in a proposal: the solver's noise, far below it, makes no other mixture
_NOTHING = 1e-9  # instead of no share at all, so that its logarithm is there


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


def rounded(shares: Vector, most: Vector) -> Vector:
    """The mixture in steps of a share, none above its `most`; the largest with room for it has what rounding leaves.
    Where none has, the mixture as it is.
    """
    steps = np.minimum(np.round(shares / _STEP), np.floor(most / _STEP)) * _STEP
    rest = 1 - steps.sum()
    room = most - steps >= rest
    if not room.any():
        return shares
    steps[int(np.argmax(np.where(room, steps, -1.0)))] += rest
    return steps


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


def propose(slopes: Vector, weights: Vector, natural: Vector, most: Vector, kl_penalty: float) -> Vector:
    """The shares of least weights · exp(slopes @ (features(shares) - features(natural))) + kl_penalty · their
    divergence from the natural mixture, none above its `most`. slopes: (measures, 2 domains), those of the laws.
    """

    def cost(shares: Vector) -> float:
        losses = np.exp(slopes @ (features(shares) - features(natural)))
        return float(weights @ losses) + kl_penalty * divergence(shares, natural)

    def gradient(shares: Vector) -> Vector:
        along, beside = slopes[:, : len(natural)], slopes[:, len(natural) :]
        losses = weights * np.exp(slopes @ (features(shares) - features(natural)))
        away = np.log(np.maximum(shares, _NOTHING) / natural) + 1
        return losses @ along + losses @ beside / (shares + SOFTENED) + kl_penalty * away

    middle, alone = capped(natural, most), [capped(one, most) for one in np.eye(len(natural))]
    everywhere = np.random.default_rng(0).dirichlet(np.ones(len(natural)), _STARTS)
    drawn = sorted([*draw(_STARTS, natural, most, 0), *(capped(one, most) for one in everywhere)], key=cost)
    starts = [middle, *alone, *((middle + one) / 2 for one in alone), *drawn[: 2 * len(natural)]]
    return min([*starts, *(_descend(cost, gradient, most, start) for start in starts)], key=cost)


def _descend(
    cost: Callable[[Vector], float], gradient: Callable[[Vector], Vector], most: Vector, start: Vector
) -> Vector:
    from scipy import optimize  # type: ignore[import-untyped]

    found = optimize.minimize(
        cost,
        start,
        jac=gradient,
        method="SLSQP",
        bounds=[(min(_NOTHING, float(one)), float(one)) for one in most],
        constraints={"type": "eq", "fun": lambda shares: shares.sum() - 1, "jac": np.ones_like},
        options={"ftol": 1e-12, "maxiter": 1_000},
    )
    return capped(np.clip(found.x, 0.0, None), most) if np.isfinite(found.x).all() else start
