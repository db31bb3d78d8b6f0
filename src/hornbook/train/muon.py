"""Muon: momentum whose update is made orthogonal (Jordan 2024, https://kellerjordan.github.io/posts/muon/).

torch.optim.Muon is the same optimiser with an iteration of five steps in bf16, which a CPU without bf16 arithmetic
emulates (benchmarks/muon.py measures both). Here three steps come nearly as near, in the dtype that the caller picks;
matrices of one shape go through them together, and fused matrices (q, k, v; gate, up) are made orthogonal part by part.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh

# Odd polynomials a x + b x³ + c x⁵, one after the other: each is the nearest to 1 on what the one before it leaves
# of singular values from 0.01 to 1 (Polar Express, arXiv:2505.16932, theorem 3.1). The last one is times 0.875: what it
# leaves, 0.64 to 1.12, is on average that of Jordan's five steps, for which people choose their rates.
COEFFICIENTS = (
    (8.093369, -23.620430, 17.446152),
    (3.636586, -2.721927, 0.536546),
    (2.328637, -1.730010, 0.396039),
)
SAFETY = 1.01  # of the bound on singular values: beyond it the polynomials grow fast, and bf16 rounds


def orthogonalise(matrices: Tensor, epsilon: float = 1e-7) -> Tensor:
    """Bring the singular values of each matrix close to 1 without computing them.

    matrices: (count, rows, columns) -> the same shape and dtype. Singular values of at least a fiftieth of the largest
    end within about 0.64 and 1.12, smaller ones below. (Five steps of Jordan's: 0.68 and 1.13.)
    """
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=epsilon)
    gram = x @ x.mT
    square = gram @ gram
    # No singular value is above the eighth root of the sum of their eighth powers. Both products are needed anyway, and
    # of 128 equal values this is 6 times nearer than the Frobenius norm: as much as two steps more would reach.
    bound = SAFETY * square.norm(dim=(-2, -1), keepdim=True).clamp(min=epsilon**2) ** 0.25
    x, gram, square = x / bound, gram / bound**2, square / bound**4
    # In half precision the product of polynomials would drift from what each of them would make of the matrix.
    wide = x.shape[-1] >= 1.5 * x.shape[-2] and x.dtype in (torch.float32, torch.float64)
    x = _by_grams(x, gram, square) if wide else _step_by_step(x, gram, square)
    return x.mT if tall else x


def _step_by_step(x: Tensor, gram: Tensor, square: Tensor) -> Tensor:
    """x after all polynomials; gram: x xᵀ, square: gram²."""
    for step, (a, b, c) in enumerate(COEFFICIENTS):
        if step:
            gram = x @ x.mT
            square = gram @ gram
        x = torch.baddbmm(x, b * gram + c * square, x, beta=a)
    return x


def _by_grams(x: Tensor, gram: Tensor, square: Tensor) -> Tensor:
    """The same for a wide x: the polynomials, taken of its small gram, are multiplied first."""
    polynomial = product = _polynomial(gram, square, *COEFFICIENTS[0])
    for coefficients in COEFFICIENTS[1:]:
        gram = polynomial @ gram @ polynomial
        polynomial = _polynomial(gram, gram @ gram, *coefficients)
        product = polynomial @ product
    return product @ x


def _polynomial(gram: Tensor, square: Tensor, a: float, b: float, c: float) -> Tensor:
    """a + b gram + c gram², by which x is multiplied."""
    made = b * gram + c * square
    made.diagonal(dim1=-2, dim2=-1).add_(a)
    return made


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
        moved: list[tuple[Tensor, Sequence[int]]] = []
        directions: list[Tensor] = []
        for parameter, heights in zip(group["params"], self._parts, strict=True):
            if parameter.grad is None:
                continue
            state = self.state[parameter]
            if "momentum" not in state:
                state["momentum"] = torch.zeros_like(parameter)
            velocity = state["momentum"].mul_(group["momentum"]).add_(parameter.grad)
            moved.append((parameter, heights))
            directions.append(parameter.grad.add(velocity, alpha=group["momentum"]))
        whole = Whole(directions, self._dtype)
        made = self._orthogonal([(matrix, moved[at][1]) for at, matrix in whole.own])
        for (parameter, heights), update in zip(moved, whole.back(made), strict=True):
            local = _local(parameter)
            for block, change, rows in _blocks(local, update, heights, whole.first_row(parameter)):
                scale = max(1.0, rows / parameter.shape[1]) ** 0.5
                block.mul_(1 - group["lr"] * group["weight_decay"])
                block.add_(change.to(block.dtype), alpha=-group["lr"] * scale)

    def _orthogonal(self, matrices: Sequence[tuple[Tensor, Sequence[int]]]) -> list[Tensor]:
        """Each matrix with its blocks made orthogonal; blocks of one shape go through the iteration together."""
        by_shape: dict[torch.Size, list[tuple[int, int, Tensor]]] = defaultdict(list)
        for number, (matrix, heights) in enumerate(matrices):
            for at, block in enumerate(torch.split(matrix, list(heights))):
                by_shape[block.shape].append((number, at, block))
        made: list[list[Tensor]] = [[matrix] * len(heights) for matrix, heights in matrices]
        for blocks in by_shape.values():
            for (number, at, _), update in zip(
                blocks, orthogonalise(torch.stack([block for _, _, block in blocks]).to(self._dtype)), strict=True
            ):
                made[number][at] = update
        return [parts[0] if len(parts) == 1 else torch.cat(parts) for parts in made]


def _local(matrix: Tensor) -> Tensor:
    """What of a matrix lies here: all of it, or its rows on this rank."""
    return matrix.to_local() if isinstance(matrix, DTensor) else matrix


def _blocks(local: Tensor, update: Tensor, heights: Sequence[int], first: int) -> Iterator[tuple[Tensor, Tensor, int]]:
    """Of blocks so high what lies in a matrix's rows from `first` on: that part, its change, the whole block's rows."""
    start = 0
    for height in heights:
        rows = slice(max(0, start - first), max(0, start + height - first))
        if len(local[rows]):
            yield local[rows], update[rows], height
        start += height


class Whole:
    """Matrices as wholes, of which each rank has rows: every rank gets as many of them as any other, and no other.

    own: this rank's, with their numbers. Those that are no shards are everybody's own. What travels has `dtype`.
    """

    def __init__(self, matrices: Sequence[Tensor], dtype: torch.dtype) -> None:
        self._matrices, self._dtype = matrices, dtype
        self._turns: list[list[int]] = []
        by_shape: dict[torch.Size, list[int]] = defaultdict(list)
        for number, matrix in enumerate(matrices):
            if isinstance(matrix, DTensor):
                by_shape[matrix.shape].append(number)
        for numbers in by_shape.values():
            world = self._mesh(numbers[0]).size()
            self._turns += [numbers[start : start + world] for start in range(0, len(numbers), world)]
        self.own: list[tuple[int, Tensor]] = [(n, m) for n, m in enumerate(matrices) if not isinstance(m, DTensor)]
        for turn in self._turns:
            self.own += self._collect(turn)

    def back(self, made: Sequence[Tensor]) -> list[Tensor]:
        """What was made of one's own, in shards as the matrices were: of each matrix the rows that lie here."""
        of = {number: one for (number, _), one in zip(self.own, made, strict=True)}
        found = {number: one for number, one in of.items() if not isinstance(self._matrices[number], DTensor)}
        for turn in self._turns:
            found |= self._hand_out(turn, of)
        return [found[number] for number in range(len(self._matrices))]

    def first_row(self, parameter: Tensor) -> int:
        """Which row of a matrix is the first that lies here."""
        if not isinstance(parameter, DTensor):
            return 0
        return sum(self._rows(parameter)[: parameter.device_mesh.get_local_rank()])

    def _mesh(self, number: int) -> DeviceMesh:
        matrix = self._matrices[number]
        assert isinstance(matrix, DTensor)
        return matrix.device_mesh

    @staticmethod
    def _rows(matrix: DTensor) -> list[int]:
        """How many rows of a matrix lie on each rank, as `torch.chunk` cuts it."""
        rows, world = len(matrix), matrix.device_mesh.size()
        most = -(-rows // world)
        return [max(0, min(most, rows - rank * most)) for rank in range(world)]

    def _collect(self, turn: Sequence[int]) -> list[tuple[int, Tensor]]:
        """The matrix of this turn, one for each rank of the first, that is this rank's."""
        shards = [_local(self._matrices[number]).to(self._dtype) for number in turn]
        received, sent, rank = self._sizes(turn)
        out = torch.cat([shard.flatten() for shard in shards])
        got = out.new_empty(sum(received))
        dist.all_to_all_single(got, out, received, sent, group=self._mesh(turn[0]).get_group())
        if rank >= len(turn):
            return []
        return [(turn[rank], got.view(self._matrices[turn[rank]].shape))]

    def _hand_out(self, turn: Sequence[int], made: Mapping[int, Tensor]) -> dict[int, Tensor]:
        sent, received, rank = self._sizes(turn)
        like = _local(self._matrices[turn[0]])
        out = made[turn[rank]].flatten() if rank < len(turn) else like.new_empty(0, dtype=self._dtype)
        got = out.new_empty(sum(received))
        dist.all_to_all_single(got, out, received, sent, group=self._mesh(turn[0]).get_group())
        return {number: part.view(like.shape) for number, part in zip(turn, torch.split(got, received), strict=False)}

    def _sizes(self, turn: Sequence[int]) -> tuple[list[int], list[int], int]:
        """Values that this rank gets from each rank, and gives to each, when matrices are collected; its number."""
        first = self._matrices[turn[0]]
        assert isinstance(first, DTensor)
        rank, columns = first.device_mesh.get_local_rank(), first.shape[1]
        sizes = [rows * columns for rows in self._rows(first)]
        gets = sizes if rank < len(turn) else [0] * len(sizes)
        return gets, [sizes[rank] if to < len(turn) else 0 for to in range(len(sizes))], rank
