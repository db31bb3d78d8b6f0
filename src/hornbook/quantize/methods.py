"""Methods of rounding a matrix to a few bits: rtn, every weight to the nearest value, and gptq.

GPTQ (Frantar et al. 2022, arXiv:2210.17323) rounds columns from left to right, and the error of each is made up for by
the columns that are still to come, weighed by the inputs that the matrix really sees.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from hornbook.model.formats.four_bit import GROUP

LEVELS = (-8, 7)
# A scale is tried as a share of the one that takes the largest weight to level 8. Smaller ones clip the largest weights
# and round all others more finely; larger ones take it to level 7, 6, ... 1, and so keep every group exactly that
# already lies on a grid of 4 bits.
SHARES = tuple(1.0 - 0.025 * step for step in range(21)) + tuple(8.0 / level for level in range(7, 0, -1))
DAMPING = 0.01  # of the Gram matrix, as a share of its mean diagonal: the paper's


@dataclass(frozen=True)
class Method:
    """How a matrix is rounded.

    round: from weights (rows, columns) and, where the method is `calibrated`, the sum of x xᵀ (columns, columns) over
    the inputs x that the matrix sees, to levels (rows, columns) in -8..7 and scales (rows, columns / 32) in fp16.
    """

    round: Callable[[Tensor, Tensor | None], tuple[Tensor, Tensor]]
    calibrated: bool


def rtn(weight: Tensor, gram: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Round to the nearest level; inputs do not matter. See `Method`."""
    columns = weight.shape[1]
    return _round(weight, torch.eye(columns, dtype=torch.float64))


def gptq(weight: Tensor, gram: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Round column by column, making up for each error in the columns that follow. See `Method`.

    Without inputs nothing can be made up for: it is rtn.
    """
    if gram is None:
        return rtn(weight)
    return _round(weight, _inverse_factor(gram.double(), DAMPING))


METHODS: dict[str, Method] = {"gptq": Method(gptq, calibrated=True), "rtn": Method(rtn, calibrated=False)}


def _round(weight: Tensor, inverse: Tensor) -> tuple[Tensor, Tensor]:
    """GPTQ's loop; inverse: the upper Cholesky factor of the inverse Gram matrix, the identity for no compensation."""
    left = weight.double().clone()
    rows, columns = left.shape
    levels = torch.zeros_like(left)
    scales = torch.zeros(rows, columns // GROUP, dtype=torch.float64)
    for start in range(0, columns, GROUP):
        end = start + GROUP
        scale = best_scales(left[:, start:end])
        scales[:, start // GROUP] = scale
        errors = torch.zeros(rows, GROUP, dtype=torch.float64)
        for column in range(start, end):
            levels[:, column] = round_to(left[:, column : column + 1], scale)[:, 0]
            error = (left[:, column] - levels[:, column] * scale) / inverse[column, column]
            left[:, column + 1 : end] -= error[:, None] * inverse[column, column + 1 : end]
            errors[:, column - start] = error
        left[:, end:] -= errors @ inverse[start:end, end:]
    return levels, scales.half()


def best_scales(group: Tensor) -> Tensor:
    """Scales (rows,) of one group (rows, 32) with the least squared error, as fp16 can hold them."""
    largest = group.abs().amax(-1)
    best = torch.full_like(largest, torch.inf)
    scales = torch.zeros_like(largest)
    for share in SHARES:
        for sign in (1.0, -1.0):  # -8 has no counterpart: the sign decides on which side the extra level lies
            tried = (sign * largest * share / -LEVELS[0]).half().to(group.dtype)
            error = (round_to(group, tried) * tried[:, None] - group).square().sum(-1)
            better = error < best
            best, scales = torch.where(better, error, best), torch.where(better, tried, scales)
    return scales


def round_to(weights: Tensor, scales: Tensor) -> Tensor:
    """Nearest levels (rows, columns) for weights (rows, columns) and scales (rows,); 0 where the scale is 0."""
    safe = torch.where(scales == 0, torch.ones_like(scales), scales)
    return torch.where(scales[:, None] == 0, 0, (weights / safe[:, None]).round().clamp(*LEVELS))


def _inverse_factor(gram: Tensor, damping: float) -> Tensor:
    """Upper Cholesky factor of the inverse of the damped Gram matrix: GPTQ's column weights."""
    columns = len(gram)
    mean = gram.diagonal().mean().clamp(min=1e-12)
    damped = gram + damping * mean * torch.eye(columns, dtype=gram.dtype)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(damped))
    return torch.linalg.cholesky(inverse, upper=True)
