"""The grids that weights are rounded to: which scale and zero point a group has, which level is nearest."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hornbook.model.formats.quantization import Quantization

_CACHED = 1 << 16  # weights whose scales are searched at once: they stay in a processor's cache


@dataclass(frozen=True)
class Rounded:
    """A matrix in a format: weights are scale * (level - zero point).

    levels: (rows, columns), whole numbers; scales: (rows, columns / group) of fp16; zero_points: as scales, of int8,
    None in a symmetric format.
    """

    levels: Tensor
    scales: Tensor
    zero_points: Tensor | None = None

    def dense(self) -> Tensor:
        """The weights in fp64: (rows, columns)."""
        groups = self.levels.double().view(*self.scales.shape, -1)
        if self.zero_points is not None:
            groups = groups - self.zero_points.double()[..., None]
        return (groups * self.scales.double()[..., None]).flatten(1)


def grid(weight: Tensor, form: Quantization, importance: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Scales and zero points (rows, groups) with the least squared error, as fp16 and levels can hold them.

    importance: (columns,) what a column's squared error counts. See `_best`.
    """
    rows, columns = weight.shape
    groups = weight.reshape(-1, form.group)
    counts = torch.ones(columns, dtype=weight.dtype) if importance is None else importance.to(weight.dtype)
    every = (counts / counts.mean()).view(1, -1, form.group).expand(rows, -1, -1).reshape(-1, form.group)
    step = max(1, _CACHED // form.group)
    parts = [_best(groups[at : at + step], every[at : at + step], form) for at in range(0, len(groups), step)]
    scales, zero_points = (torch.cat(part).view(rows, -1) for part in zip(*parts, strict=True))
    return scales, zero_points


def _best(groups: Tensor, importance: Tensor, form: Quantization) -> tuple[Tensor, Tensor]:
    """Scale and zero point (groups,) of each group (groups, size); importance: the same shape.

    Tried are shares of the scale that takes the largest weight to the least level: smaller ones clip the largest
    weights and round all others more finely; larger ones take it to level 7, 6, ... 1, and so keep every group exactly
    that lies on the grid already. With a zero point, those that take the range of weights to that of levels, too.
    """
    best = torch.full_like(groups[:, 0], torch.inf)
    scales, zero_points = torch.zeros_like(best), torch.zeros_like(best)
    for scale, zero in _candidates(groups, form):
        steps = nearest(groups, scale[:, None], zero[:, None], form).sub_(zero[:, None])
        error = steps.mul_(scale[:, None]).sub_(groups).square_().mul_(importance).sum(-1)
        better = error < best
        best = torch.where(better, error, best)
        scales, zero_points = torch.where(better, scale, scales), torch.where(better, zero, zero_points)
    return scales, zero_points


def _candidates(groups: Tensor, form: Quantization) -> list[tuple[Tensor, Tensor]]:
    """Scales and zero points, both (groups,), that are tried."""
    lowest, highest = (float(level) for level in form.levels)
    largest = groups.abs().amax(-1)
    nothing = torch.zeros_like(largest)
    shares = [1.0 - 0.025 * step for step in range(21)]
    on_grid = [-lowest / level for level in range(7, 0, -1)] if form.bits == 4 else [-lowest / highest]
    # The least level has no counterpart: the sign decides on which side it lies.
    found = [
        ((sign * largest * share / -lowest).half().to(groups.dtype), nothing)
        for share in (*shares, *on_grid)
        for sign in (1.0, -1.0)
    ]
    if form.symmetric:
        return found
    low, high = groups.amin(-1).clamp(max=0), groups.amax(-1).clamp(min=0)  # a zero point is a level, so 0 is in
    for share in (1.025, *shares):
        scale = ((high - low) * share / (highest - lowest)).half().to(groups.dtype)
        safe = torch.where(scale == 0, torch.ones_like(scale), scale)
        middle = (lowest + highest) / 2 - (high + low) / (2 * safe)
        found += [(scale, edge.clamp(lowest, highest)) for edge in (middle.floor(), middle.ceil())]
    return found


def nearest(weights: Tensor, scales: Tensor, zero_points: Tensor, form: Quantization) -> Tensor:
    """Nearest levels (rows, columns) for weights (rows, columns), scales and zero points (rows, groups)."""
    groups = weights.reshape(len(weights), scales.shape[1], -1)
    return round_to(groups, divisors(scales)[..., None], zero_points[..., None], form).flatten(1)


def divisors(scales: Tensor) -> Tensor:
    """What weights are divided by: their scales, and infinity in the place of 0, which takes all to the zero point."""
    return scales.masked_fill(scales == 0, torch.inf)


def round_to(weights: Tensor, divisors: Tensor, zero_points: Tensor, form: Quantization) -> Tensor:
    """Nearest levels, in the shape of the weights; `divisors` (see there) and zero points of shapes that go with it."""
    return torch.div(weights, divisors).add_(zero_points).round_().clamp_(*form.levels)
