"""Numbers out of a GGUF file, from whatever type they are stored in: a few megabytes of a tensor at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import BinaryIO

import numpy as np
import torch
from gguf import quants
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
from torch import Tensor

from hornbook.errors import UserError
from hornbook.model.formats.contents import ModelFile
from hornbook.model.formats.weights import PIECE


@dataclass(frozen=True)
class StoredTensor:
    """A tensor in the file. shape: rows first. offset: of its first byte, from the beginning of the file."""

    name: str
    shape: tuple[int, ...]
    kind: GGMLQuantizationType
    offset: int

    @property
    def size(self) -> int:
        """Number of bytes."""
        block, block_bytes = GGML_QUANT_SIZES[self.kind]
        return math.prod(self.shape) // block * block_bytes


@dataclass(frozen=True)
class Rows:
    """Rows `start` to `stop` of a stored tensor, or those entries of a bias.

    heads: where it is given, the rows are those of so many heads' vectors in llama.cpp's order: dimension i of a head
    comes beside dimension i + size / 2, with which it is turned (`LlamaModel.permute` in its converter). They are put
    back: first the lower half, then the upper one.
    """

    tensor: StoredTensor
    start: int
    stop: int
    heads: int | None = None

    def __len__(self) -> int:
        return self.stop - self.start

    def places(self) -> Tensor | None:
        """Where each of these rows goes among them: (rows,); None where they stay as they are."""
        if self.heads is None:
            return None
        return torch.arange(len(self)).view(self.heads, 2, -1).transpose(1, 2).reshape(-1)


# The parts of a tensor, one below the other; a number stands for so many rows of zeros.
Parts = Sequence[Rows | int]


@cache
def supported(kind: GGMLQuantizationType) -> bool:
    """Whether the gguf package turns this type into numbers."""
    try:
        quants.dequantize(np.zeros((1, GGML_QUANT_SIZES[kind][1]), dtype=np.uint8), kind)
    except NotImplementedError:
        return False
    return True


def read(file: ModelFile, parts: Parts, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """A tensor of these parts: (rows, columns) or (entries,).

    Beside the result only a few megabytes are held. Raises UserError where the file has become shorter, and where a
    number is NaN or infinite, or does not fit `dtype`.
    """
    made = torch.zeros(shape, dtype=dtype)
    at = 0
    with file.path.open("rb") as opened:
        for part in parts:
            if isinstance(part, int):
                at += part
                continue
            places = part.places()
            for start, piece in _pieces(opened, part, file.where):
                _check(piece, dtype, part.tensor.name, file.where)
                end = start + len(piece)
                made[slice(at + start, at + end) if places is None else at + places[start:end]] = piece.to(dtype)
            at += len(part)
    return made


def _check(piece: Tensor, dtype: torch.dtype, name: str, where: str) -> None:
    """Refuse numbers that are none, or that `dtype` does not hold: the least and the largest tell, NaN is both."""
    extremes = torch.stack(piece.aminmax())
    if not bool(extremes.to(dtype).isfinite().all()):
        finite = bool(extremes.isfinite().all())
        what = f"numbers beyond {str(dtype).removeprefix('torch.')}" if finite else "NaN or infinite numbers"
        raise UserError(f"{where}: the tensor {name} holds {what}")


def numbers(file: ModelFile, tensor: StoredTensor) -> list[float]:
    """All numbers of a small tensor, in its order."""
    with file.path.open("rb") as opened:
        return _numbers(opened, tensor, 0, tensor.size, file.where).reshape(-1).tolist()


def _pieces(opened: BinaryIO, part: Rows, where: str) -> Iterator[tuple[int, Tensor]]:
    """Rows in fp32, a few megabytes of them at a time, each piece with the number of its first row."""
    tensor = part.tensor
    if len(tensor.shape) == 1:
        whole = _numbers(opened, tensor, 0, tensor.size, where).reshape(-1)
        yield 0, torch.from_numpy(whole[part.start : part.stop])
        return
    row = tensor.size // tensor.shape[0]
    step = max(1, PIECE // (4 * math.prod(tensor.shape[1:])))
    for start in range(part.start, part.stop, step):
        count = min(step, part.stop - start)
        piece = _numbers(opened, tensor, start * row, count * row, where)
        yield start - part.start, torch.from_numpy(piece).view(count, *tensor.shape[1:])


def _numbers(opened: BinaryIO, tensor: StoredTensor, first: int, size: int, where: str) -> np.ndarray:
    """The fp32 numbers of `size` bytes of a tensor from its byte `first` on."""
    opened.seek(tensor.offset + first)
    data = bytearray(opened.read(size))  # writable, as torch wants it
    if len(data) != size:
        raise UserError(f"{where} is cut short: it ends within the tensor {tensor.name}")
    with np.errstate(all="ignore"):  # what is no number is told by name
        return quants.dequantize(np.frombuffer(data, dtype=np.uint8)[None], tensor.kind)
