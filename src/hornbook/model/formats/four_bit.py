"""Matrices in 4 bits: how they lie in memory and in a checkpoint, and how they multiply.

Each row is cut into groups of 32 weights (`quantization.FOUR_BIT`). A group stores one fp16 scale and 32 integers q in
-8..7, two to a byte (the even column in the low nibble, both shifted by 8), and stands for the weights `scale * q`: 4.5
bits a weight.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hornbook.model.formats.quantization import FOUR_BIT
from hornbook.model.formats.quantized import QuantizedLayer

GROUP = FOUR_BIT.group


def pack(integers: Tensor) -> Tensor:
    """integers: (rows, columns) in -8..7 -> (rows, columns / 2) of uint8."""
    shifted = (integers + 8).to(torch.uint8)
    return shifted[:, 0::2] | (shifted[:, 1::2] << 4)


def unpack(packed: Tensor) -> Tensor:
    """The inverse of `pack`: (..., columns / 2) of uint8 -> (..., columns) of int8."""
    pairs = torch.stack((packed & 15, packed >> 4), dim=-1)
    return pairs.flatten(-2).to(torch.int8) - 8


def dense(packed: Tensor, scales: Tensor, dtype: torch.dtype) -> Tensor:
    """The weights that `packed` (rows, columns / 2) and `scales` (rows, columns / 32) stand for: (rows, columns)."""
    levels = unpack(packed)
    groups = levels.view(*levels.shape[:-1], -1, GROUP).to(dtype)
    return (groups * scales.to(dtype)[..., None]).flatten(-2)


class FourBit(QuantizedLayer):
    """The storage that linear map and embedding share."""

    quantization = FOUR_BIT
    packed: Tensor
    scales: Tensor

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        if columns % GROUP:
            raise ValueError(f"{columns} columns cannot be cut into groups of {GROUP}")
        self.register_buffer("packed", torch.zeros(rows, columns // 2, dtype=torch.uint8))
        self.register_buffer("scales", torch.zeros(rows, columns // GROUP, dtype=torch.float16))

    def store(self, levels: Tensor, scales: Tensor) -> None:
        """Take the weights scale * level. levels: (rows, columns) in -8..7; scales: (rows, columns / 32)."""
        self.packed.copy_(pack(levels))
        self.scales.copy_(scales)

    def dense(self, dtype: torch.dtype) -> Tensor:
        """The weights that are stored, unpacked: (rows, columns), a new tensor."""
        return dense(self.packed, self.scales, dtype)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.packed), 2 * self.packed.shape[1]


class FourBitLinear(FourBit):
    """A linear map in 4 bits; the weights are unpacked while they multiply and never kept. A bias stays as it is."""

    def __init__(self, rows: int, columns: int, bias: nn.Parameter | None = None) -> None:
        super().__init__(rows, columns)
        self.bias = bias

    def forward(self, x: Tensor) -> Tensor:
        """x: (..., columns) -> (..., rows)."""
        bias = None if self.bias is None else self.bias.to(x.dtype)
        return F.linear(x, self.dense(x.dtype), bias)


class FourBitEmbedding(FourBit):
    """An embedding table in 4 bits; only the rows asked for are unpacked."""

    def forward(self, ids: Tensor) -> Tensor:
        """ids: (...) -> (..., columns) in fp32."""
        return dense(self.packed[ids], self.scales[ids], torch.float32)
