"""Matrices that a folder holds in 4 or 8 bits, as GGUF's blocks of 32: the same whole numbers, with the same scales."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from gguf.constants import GGMLQuantizationType as Kind
from numpy.typing import NDArray

from hornbook.model.formats.quantization import PACKED, SCALE, SHAPE, ZERO_POINT
from hornbook.model.formats.quantized import unpack
from hornbook.model.formats.weights import Written

BLOCK = 32
Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True)
class Packed:
    """A matrix of whole numbers of 4 or 8 bits, with a scale, and perhaps a zero point, for each group of a row."""

    numbers: Written
    scales: Written
    zeros: Written | None
    bits: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, words = self.numbers.shape
        return rows, words * 32 // self.bits

    @property
    def kind(self) -> Kind | None:
        """The blocks that hold it as it is; None where there are zero points, which they lack."""
        if self.zeros is not None:
            return None
        return Kind.Q4_0 if self.bits == 4 else Kind.Q8_0

    def dense(self) -> NDArray[np.float32]:
        """The weights: (rows, columns)."""
        levels, scales = self._parts()
        exact = levels.astype(np.float32)
        if self.zeros is not None:
            zeros = unpack(self.zeros.make().mT.contiguous(), self.bits, self.shape[0]).mT.numpy()
            exact -= self._each_block(zeros)
        return (exact * scales.astype(np.float32)).reshape(self.shape)

    def blocks(self) -> NDArray[np.uint8]:
        """Rows of blocks, each its scale in fp16 and its 32 numbers: (rows, columns / 32 * bytes of a block).

        A byte of Q4_0 is the number i and, above it, the number i + 16, both shifted by 8.
        """
        levels, scales = self._parts()
        if self.bits == 4:
            shifted = (levels + 8).astype(np.uint8)
            told = shifted[..., :16] | shifted[..., 16:] << 4
        else:
            told = levels.view(np.uint8)
        return np.concatenate([scales.view(np.uint8), told], axis=-1).reshape(self.shape[0], -1)

    def _parts(self) -> tuple[NDArray[np.int8], NDArray[np.float16]]:
        """Numbers (rows, blocks, 32), and the scale of each block (rows, blocks, 1)."""
        levels = unpack(self.numbers.make(), self.bits).numpy().reshape(self.shape[0], -1, BLOCK)
        return levels, self._each_block(self.scales.make().to(torch.float16).numpy())

    def _each_block(self, of_groups: NDArray[Number]) -> NDArray[Number]:
        """(rows, groups) -> (rows, blocks, 1)."""
        blocks = self.shape[1] // BLOCK
        return np.ascontiguousarray(of_groups.repeat(blocks // of_groups.shape[1], axis=1)[..., None])


def gathered(written: Mapping[str, Written]) -> dict[str, Written | Packed]:
    """Published tensors, each quantized matrix under its own name."""
    made: dict[str, Written | Packed] = {}
    for name, tensor in written.items():
        if name.endswith(PACKED):
            whole = name.removesuffix(PACKED)
            columns = int(written[f"{whole}{SHAPE}"].make()[1])
            bits = tensor.shape[1] * 32 // columns
            made[whole] = Packed(tensor, written[f"{whole}{SCALE}"], written.get(f"{whole}{ZERO_POINT}"), bits)
        elif not name.endswith((SCALE, SHAPE, ZERO_POINT)):
            made[name] = tensor
    return made
