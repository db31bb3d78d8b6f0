"""Methods of rounding a matrix to a few bits: rtn, every weight to the nearest value, and gptq.

GPTQ (Frantar et al. 2022, arXiv:2210.17323) rounds columns from left to right, and the error of each is made up for by
the columns that are still to come, weighed by the inputs that the matrix really sees.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from hornbook.model.formats.quantization import FOUR_BIT, Quantization

DAMPING = 0.01  # of the Gram matrix, as a share of its mean diagonal: the paper's


@dataclass(frozen=True)
class Method:
    """How a matrix is rounded.

    round: from weights (rows, columns), the sum of x xᵀ (columns, columns) over the inputs x that the matrix sees, used
    where the method is `calibrated`, and a format, to the format's levels (rows, columns), -8..7 in 4 bits, and scales
    (rows, columns / group) in fp16.
    """

    round: Callable[[Tensor, Tensor | None, Quantization], tuple[Tensor, Tensor]]
    calibrated: bool


def rtn(weight: Tensor, gram: Tensor | None = None, quantization: Quantization = FOUR_BIT) -> tuple[Tensor, Tensor]:
    """Round to the nearest level; inputs do not matter. See `Method`."""
    columns = weight.shape[1]
    return _round(weight, torch.eye(columns, dtype=torch.float64), quantization)


def gptq(weight: Tensor, gram: Tensor | None = None, quantization: Quantization = FOUR_BIT) -> tuple[Tensor, Tensor]:
    """Round column by column, making up for each error in the columns that follow. See `Method`.

    Without inputs nothing can be made up for: it is rtn.
    """
    if gram is None:
        return rtn(weight, None, quantization)
    return _round(weight, _inverse_factor(gram.double(), DAMPING), quantization)


METHODS: dict[str, Method] = {"gptq": Method(gptq, calibrated=True), "rtn": Method(rtn, calibrated=False)}


def _round(weight: Tensor, inverse: Tensor, quantization: Quantization) -> tuple[Tensor, Tensor]:
    """GPTQ's loop; inverse: the upper Cholesky factor of the inverse Gram matrix, the identity for no compensation."""
    left = weight.double().clone()
    (rows, columns), group = left.shape, quantization.group
    levels = torch.zeros_like(left)
    scales = torch.zeros(rows, columns // group, dtype=torch.float64)
    for start in range(0, columns, group):
        end = start + group
        scale = best_scales(left[:, start:end], quantization)
        scales[:, start // group] = scale
        errors = torch.zeros(rows, group, dtype=torch.float64)
        for column in range(start, end):
            levels[:, column] = round_to(left[:, column : column + 1], scale, quantization)[:, 0]
            error = (left[:, column] - levels[:, column] * scale) / inverse[column, column]
            left[:, column + 1 : end] -= error[:, None] * inverse[column, column + 1 : end]
            errors[:, column - start] = error
        left[:, end:] -= errors @ inverse[start:end, end:]
    return levels, scales.half()


def best_scales(group: Tensor, quantization: Quantization = FOUR_BIT) -> Tensor:
    """Scales (rows,) of one group (rows, group) with the least squared error, as fp16 can hold them.

    A scale is tried as a share of the one that takes the largest weight to the least level. Smaller ones clip the
    largest weights and round all others more finely; larger ones take it to level 7, 6, ... 1, and so keep every group
    exactly that already lies on the grid.
    """
    lowest = float(quantization.levels[0])
    shares = [1.0 - 0.025 * step for step in range(21)] + [-lowest / level for level in range(7, 0, -1)]
    largest = group.abs().amax(-1)
    best = torch.full_like(largest, torch.inf)
    scales = torch.zeros_like(largest)
    for share in shares:
        for sign in (1.0, -1.0):  # the least level has no counterpart: the sign decides on which side it lies
            tried = (sign * largest * share / -lowest).half().to(group.dtype)
            error = (round_to(group, tried, quantization) * tried[:, None] - group).square().sum(-1)
            better = error < best
            best, scales = torch.where(better, error, best), torch.where(better, tried, scales)
    return scales


def round_to(weights: Tensor, scales: Tensor, quantization: Quantization = FOUR_BIT) -> Tensor:
    """Nearest levels (rows, columns) for weights (rows, columns) and scales (rows,); 0 where the scale is 0."""
    safe = torch.where(scales == 0, torch.ones_like(scales), scales)
    return torch.where(scales[:, None] == 0, 0, (weights / safe[:, None]).round().clamp(*quantization.levels))


def _inverse_factor(gram: Tensor, damping: float) -> Tensor:
    """Upper Cholesky factor of the inverse of the damped Gram matrix: GPTQ's column weights."""
    columns = len(gram)
    mean = gram.diagonal().mean().clamp(min=1e-12)
    damped = gram + damping * mean * torch.eye(columns, dtype=gram.dtype)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(damped))
    return torch.linalg.cholesky(inverse, upper=True)
