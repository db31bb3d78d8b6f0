"""Methods of rounding a matrix to a few bits: rtn, every weight to the nearest value, and gptq.

GPTQ (Frantar et al. 2022, arXiv:2210.17323) rounds columns one by one, and the error of each is made up for by the
columns that are still to come, weighed by the inputs that the matrix really sees.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from hornbook.model.formats.quantization import Quantization
from hornbook.quantize.grids import Rounded, divisors, grid, nearest, round_to

DAMPING = 0.01  # of the Gram matrix, as a share of its mean diagonal: the paper's
BLOCK = 128  # columns after which what is still to come is made up for at once
SWEEPS = 3  # over all columns, after GPTQ's one


@dataclass(frozen=True)
class Method:
    """How a matrix is rounded.

    round: from weights (rows, columns), the sum of x xᵀ (columns, columns) over the inputs x that the matrix sees, used
    where the method is `calibrated`, and a format.
    """

    round: Callable[[Tensor, Tensor | None, Quantization], Rounded]
    calibrated: bool


def rtn(weight: Tensor, gram: Tensor | None, form: Quantization) -> Rounded:
    """Round to the nearest level; inputs do not matter. See `Method`."""
    scales, zero_points = grid(weight, form)
    levels = nearest(weight, scales, zero_points, form)
    return Rounded(levels, scales.half(), None if form.symmetric else zero_points.to(torch.int8))


def gptq(weight: Tensor, gram: Tensor | None, form: Quantization) -> Rounded:
    """Round column by column, making up for each error in the columns that follow. See `Method`.

    The columns whose inputs are largest come first, as all others can still make up for them; groups are those of the
    columns' places all the same, so that nothing of the order is stored. Their scales are searched before, weighed by
    the size of inputs. Then every column is rounded again, a few times, given what all others came to, and the scales
    are fitted to the levels (coordinate descent, as in Behdin et al. 2023, arXiv:2309.01885). Without inputs nothing
    can be made up for: it is rtn.
    """
    if gram is None or not bool(gram.diagonal().any()):
        return rtn(weight, None, form)
    weight, gram = weight.double(), _damped(gram.double())
    scales, zero_points = grid(weight, form, gram.diagonal())
    weight, scales, zeros = (part.mT.contiguous() for part in (weight, scales, zero_points))
    levels = _in_turn(weight, gram, scales, zeros, form)
    for _ in range(SWEEPS):
        scales = _fitted(weight, gram, levels, scales, zeros, form)
        levels = _again(weight, gram, levels, scales, zeros, form)
    scales = scales.half().mT.contiguous()
    return Rounded(levels.mT.contiguous(), scales, None if form.symmetric else zero_points.to(torch.int8))


METHODS: dict[str, Method] = {"gptq": Method(gptq, calibrated=True), "rtn": Method(rtn, calibrated=False)}


def _damped(gram: Tensor) -> Tensor:
    mean = gram.diagonal().mean()
    return gram + DAMPING * mean * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)


# What follows works on a weight's transpose (columns, rows), so that a column's numbers are neighbours in memory.


def _in_turn(weight: Tensor, gram: Tensor, scales: Tensor, zero_points: Tensor, form: Quantization) -> Tensor:
    """GPTQ's levels (columns, rows) for a weight (columns, rows), given scales and zero points (groups, rows)."""
    order = gram.diagonal().argsort(descending=True, stable=True)
    left, levels = weight[order], torch.empty_like(weight)
    factor = _inverse_factor(gram[order][:, order])
    pivots = factor.diagonal().tolist()
    groups, divided_by = (order // form.group).tolist(), divisors(scales)
    for start in range(0, len(weight), BLOCK):
        end = min(start + BLOCK, len(weight))
        errors = torch.empty_like(left[start:end])
        for at in range(start, end):
            scale, zero = scales[groups[at]], zero_points[groups[at]]
            rounded = round_to(left[at], divided_by[groups[at]], zero, form)
            torch.sub(left[at], (rounded - zero).mul_(scale), out=errors[at - start])
            error = errors[at - start].div_(pivots[at])
            left[at + 1 : end].addr_(factor[at, at + 1 : end], error, alpha=-1)
            levels[order[at]] = rounded
        left[end:].addmm_(factor[start:end, end:].mT, errors, alpha=-1)
    return levels


def _again(
    weight: Tensor, gram: Tensor, levels: Tensor, scales: Tensor, zero_points: Tensor, form: Quantization
) -> Tensor:
    """Levels with each column rounded to what is best given all others: the weighed error never grows.

    weight, levels: (columns, rows); scales, zero_points: (groups, rows).
    """
    levels, diagonal, divided_by = levels.clone(), gram.diagonal().tolist(), divisors(scales)
    error = weight - _stretched(scales, form) * (levels - _stretched(zero_points, form))
    for start in range(0, len(weight), BLOCK):
        end = min(start + BLOCK, len(weight))
        pull = gram[start:end] @ error  # of every column's error on these, kept true within the block
        for at in range(start, end):
            scale, zero = scales[at // form.group], zero_points[at // form.group]
            wanted = (pull[at - start] / diagonal[at]).add_(weight[at]).sub_(error[at])
            rounded = round_to(wanted, divided_by[at // form.group], zero, form)
            changed = (rounded - zero).mul_(scale).neg_().add_(weight[at])
            pull[at - start + 1 :].addr_(gram[at, at + 1 : end], changed - error[at])
            error[at], levels[at] = changed, rounded
    return levels


def _fitted(
    weight: Tensor, gram: Tensor, levels: Tensor, scales: Tensor, zero_points: Tensor, form: Quantization
) -> Tensor:
    """Scales (groups, rows), each with the least weighed error given the levels and the other groups' scales.

    weight, levels: (columns, rows); zero_points: (groups, rows).
    """
    scales = scales.clone()
    steps = levels - _stretched(zero_points, form)
    error = weight - steps * _stretched(scales, form)
    for group in range(len(scales)):
        part = slice(group * form.group, (group + 1) * form.group)
        mine = steps[part]
        curvature = (gram[part, part] @ mine * mine).sum(0)
        change = (gram[part] @ error * mine).sum(0) / curvature.clamp(min=1e-300)
        fitted = torch.where(curvature > 0, scales[group] + change, scales[group]).half().to(weight.dtype)
        fitted = torch.where(fitted.isfinite(), fitted, scales[group])
        error[part] -= (fitted - scales[group]) * mine
        scales[group] = fitted
    return scales


def _stretched(of_groups: Tensor, form: Quantization) -> Tensor:
    """(groups, rows) -> (columns, rows)."""
    return of_groups.repeat_interleave(form.group, 0)


def _inverse_factor(gram: Tensor) -> Tensor:
    """Upper Cholesky factor of the inverse of a Gram matrix: GPTQ's column weights."""
    return torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(gram)), upper=True)
