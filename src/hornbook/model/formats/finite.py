"""Weights that are NaN or infinite, found while a model loads: every float of its files is looked at, once.

The files are read into one small buffer on a thread of its own, beside the loading. A float is not finite where the
bits of its exponent are all set; then, read as whole numbers, the positive ones are the largest of the signed numbers
and the negative ones the largest of the unsigned: two maxima tell, which processors take at the speed of memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hornbook.errors import UserError
from hornbook.model.formats.weights import Stored, pieces

_BUFFER = 1 << 20  # bytes: it stays in the processor's cache between the two maxima

# The whole numbers of each float's size, and the bits of its exponent.
_BITS: dict[torch.dtype, tuple[Any, Any, int]] = {
    torch.float64: (np.int64, np.uint64, 0x7FF << 52),
    torch.float32: (np.int32, np.uint32, 0xFF << 23),
    torch.bfloat16: (np.int16, np.uint16, 0xFF << 7),
    torch.float16: (np.int16, np.uint16, 0x1F << 10),
}


@contextmanager
def checking(stored: Mapping[str, Stored]) -> Iterator[None]:
    """Check tensors while what is inside runs; raises UserError at its end where a number is not finite."""
    with ThreadPoolExecutor(1) as thread:
        found = thread.submit(_faults, stored)
        yield
    faults = found.result()
    if faults:
        name, count = next(iter(faults.items()))
        others = f" (and so do {len(faults) - 1} other tensors)" if len(faults) > 1 else ""
        numbers = "a number that is" if count == 1 else f"{count:,} numbers that are"
        raise UserError(
            f"{stored[name].file}: {name} holds {numbers} NaN or infinite{others}; the file is damaged, or its "
            "training diverged"
        )


def _faults(stored: Mapping[str, Stored]) -> dict[str, int]:
    """How many numbers of each tensor are not finite; tensors without such are left out."""
    buffer = memoryview(bytearray(_BUFFER))
    floats = {name: tensor for name, tensor in stored.items() if tensor.dtype in _BITS}
    counts = {name: sum(_count(one, floats[name].dtype) for one in _read(floats[name], buffer)) for name in floats}
    return {name: count for name, count in counts.items() if count}


def _read(tensor: Stored, buffer: memoryview) -> Iterator[NDArray[np.uint8]]:
    """The bytes of a tensor, a piece at a time: from the file where its place there is known, else from its pages."""
    if tensor.offset is None:
        yield from (np.frombuffer(piece, dtype=np.uint8) for piece in pieces(tensor.open().tensor))
        return
    left = tensor.size
    with tensor.file.open("rb") as file:
        file.seek(tensor.offset)
        while left and (read := file.readinto(buffer[: min(left, len(buffer))])):
            yield np.frombuffer(buffer[:read], dtype=np.uint8)
            left -= read


def _count(piece: NDArray[np.uint8], dtype: torch.dtype) -> int:
    """How many floats of a piece are not finite."""
    signed, unsigned, exponent = _BITS[dtype]
    negative = exponent + (1 << (8 * dtype.itemsize - 1))
    if not len(piece):
        return 0
    if piece.view(signed).max() < exponent and piece.view(unsigned).max() < negative:
        return 0
    return int(np.count_nonzero((piece.view(signed) & exponent) == exponent))
