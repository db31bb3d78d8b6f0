"""Low-rank adapters (LoRA, Hu et al. 2021, arXiv:2106.09685): a linear map that stays, and a small one beside it.

y = W x + s B A x, with A (rank, inputs) and B (outputs, rank); s = alpha / rank, or alpha / sqrt(rank) where it is
rank-stabilised (Kalajdzievski 2023, arXiv:2312.03732). Where a file holds several matrices that are one here (q, k and
v), each of them has an adapter of its own, on its own rows: a `Branch`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hornbook.model.formats.quantized import QuantizedLayer
from hornbook.model.transformer import Linear, Transformer


@dataclass(frozen=True)
class Branch:
    """The adapter of one matrix of a file, which is the rows `start` to `end` of one of our linear maps.

    name: of the matrix's module in the file. order: for each of these rows, which one of the file's it is; None where
    they lie alike.
    """

    name: str
    start: int
    end: int
    rank: int
    alpha: float
    rank_stabilised: bool = False
    order: Tensor | None = None

    @property
    def rows(self) -> int:
        """Outputs that it adds to."""
        return self.end - self.start

    @property
    def scale(self) -> float:
        """What B A x is multiplied by."""
        return self.alpha / (math.sqrt(self.rank) if self.rank_stabilised else self.rank)


class LoraLinear(nn.Module):
    """A linear map of any kind, quantized ones among them, with the adapters of its rows.

    `a` holds every branch's A, one below the other: (sum of ranks, inputs). `b` holds each branch's B: (rows, rank).
    """

    def __init__(self, base: nn.Module, inputs: int, outputs: int, branches: Sequence[Branch], dropout: float) -> None:
        super().__init__()
        self.base = base
        self.branches = tuple(sorted(branches, key=lambda one: one.start))
        self.outputs, self.dropout, self.on = outputs, dropout, True
        self.a = nn.Parameter(torch.zeros(sum(one.rank for one in self.branches), inputs))
        self.b = nn.ParameterList(torch.zeros(one.rows, one.rank) for one in self.branches)

    def forward(self, x: Tensor) -> Tensor:
        """x: (..., inputs) -> (..., outputs)."""
        y: Tensor = self.base(x)
        if not self.on:
            return y
        dropped = F.dropout(x, self.dropout, self.training) if self.dropout else x
        inner = torch.split(F.linear(dropped, self.a.to(x.dtype)), [one.rank for one in self.branches], dim=-1)
        pieces, end = [], 0
        for branch, b, h in zip(self.branches, self.b, inner, strict=True):
            if branch.start > end:
                pieces.append(y.new_zeros(*y.shape[:-1], branch.start - end))
            pieces.append(F.linear(h * branch.scale, b.to(x.dtype)))
            end = branch.end
        if end < self.outputs:
            pieces.append(y.new_zeros(*y.shape[:-1], self.outputs - end))
        return y + (pieces[0] if len(pieces) == 1 else torch.cat(pieces, -1))

    def parts(self) -> Iterator[tuple[Branch, Tensor, Tensor]]:
        """Each branch with its A (rank, inputs), a view, and its B (rows, rank)."""
        yield from zip(self.branches, torch.split(self.a, [one.rank for one in self.branches]), self.b, strict=True)

    @torch.no_grad()
    def merged(self, dtype: torch.dtype) -> Linear:
        """One linear map that does what both do, its weight W + s B A added in fp32 and rounded to `dtype` once."""
        weight = dense(self.base)
        for branch, a, b in self.parts():
            weight[branch.start : branch.end] += branch.scale * (b.float() @ a.float())
        with torch.device("meta"):
            plain = Linear(weight.shape[1], weight.shape[0])
        plain.weight = nn.Parameter(weight.to(dtype))
        plain.register_parameter("bias", getattr(self.base, "bias", None))
        return plain


@torch.no_grad()
def dense(layer: nn.Module) -> Tensor:
    """The weight of any linear map, as a new tensor (outputs, inputs) of fp32."""
    if isinstance(layer, nn.Linear):
        return layer.weight.detach().float().clone()
    assert isinstance(layer, QuantizedLayer)
    return layer.dense(torch.float32)


def layers(model: Transformer) -> Iterator[tuple[str, LoraLinear]]:
    """The linear maps of a model that have adapters, by name, in its order."""
    for name, module in model.named_modules():
        if isinstance(module, LoraLinear):
            yield name, module


def switch(model: Transformer, on: bool) -> None:
    """Have every adapter take part, or have the model compute as without any."""
    for _, layer in layers(model):
        layer.on = on


def merge(model: Transformer) -> Transformer:
    """Add every adapter to its weights, in place, which leaves a model without any; a quantized map becomes dense.

    Each weight is rounded once, to the precision that it has, or to that of the norms where it was quantized.
    """
    for name, layer in list(layers(model)):
        weight = layer.base.weight if isinstance(layer.base, nn.Linear) else model.norm.weight
        model.set_submodule(name, layer.merged(weight.dtype))
    if model.origin is not None:
        model.origin = replace(model.origin, adapter=None)
    return model
