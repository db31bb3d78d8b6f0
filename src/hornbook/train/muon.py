"""Muon: momentum whose update is made orthogonal (Jordan 2024, https://kellerjordan.github.io/posts/muon/).

torch.optim.Muon is the same optimiser with its iteration fixed to bf16, which a CPU without bf16 arithmetic emulates
(benchmarks/muon.py measures both). Here the iteration runs in the dtype that the caller picks, matrices of
one shape go through it together, and fused matrices (q, k, v; gate, up) are made orthogonal part by part.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

# Coefficients of the quintic Newton-Schulz iteration, from the source above.
A, B, C = 3.4445, -4.7750, 2.0315


def orthogonalise(matrices: Tensor, steps: int = 5, epsilon: float = 1e-7) -> Tensor:
    """Bring the singular values of each matrix close to 1 without computing them.

    matrices: (count, rows, columns) -> the same shape and dtype. Five steps leave singular values in about 0.7..1.2.
    """
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=epsilon)
    for _ in range(steps):
        gram = x @ x.mT
        x = A * x + (B * gram + C * (gram @ gram)) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised, scaled by sqrt(max(1, rows / columns)), with decoupled weight decay.

    `parts` gives, for each parameter, the heights of the blocks it was fused from.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        parts: Sequence[Sequence[int]],
        *,
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(list(parameters), {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self._parts = parts
        self._dtype = dtype
        if len(self.param_groups) != 1 or len(self.param_groups[0]["params"]) != len(parts):
            raise ValueError("Muon takes one list of parameters and as many lists of parts")

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        group = self.param_groups[0]
        by_shape: dict[torch.Size, list[tuple[Tensor, Tensor]]] = defaultdict(list)
        for parameter, heights in zip(group["params"], self._parts, strict=True):
            if parameter.grad is None:
                continue
            state = self.state[parameter]
            if "momentum" not in state:
                state["momentum"] = torch.zeros_like(parameter)
            velocity = state["momentum"].mul_(group["momentum"]).add_(parameter.grad)
            direction = parameter.grad.add(velocity, alpha=group["momentum"])
            blocks = zip(parameter.split(list(heights)), direction.split(list(heights)), strict=True)
            for block, update in blocks:
                by_shape[block.shape].append((block, update))
        for shape, pairs in by_shape.items():
            updates = orthogonalise(torch.stack([update for _, update in pairs]).to(self._dtype)).float()
            scale = max(1.0, shape[0] / shape[1]) ** 0.5
            for (block, _), update in zip(pairs, updates, strict=True):
                block.mul_(1 - group["lr"] * group["weight_decay"])
                block.add_(update, alpha=-group["lr"] * scale)
