"""Weights that are NaN or infinite, found while a model loads: every float is looked at once.

A float is not finite where the bits of its exponent are all set. Read as whole numbers, the positive ones of these are
the largest of the signed numbers and the negative ones the largest of the unsigned: two maxima tell, without memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hornbook.errors import UserError
from hornbook.model.formats.weights import Stored

# The whole numbers of each float's size, and the bits of its exponent.
_BITS: dict[torch.dtype, tuple[torch.dtype, Any, int]] = {
    torch.float64: (torch.int64, np.uint64, 0x7FF << 52),
    torch.float32: (torch.int32, np.uint32, 0xFF << 23),
    torch.bfloat16: (torch.int16, np.uint16, 0xFF << 7),
    torch.float16: (torch.int16, np.uint16, 0x1F << 10),
}


class Finite:
    """Looks at weights piece by piece, and counts what is not finite."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def look(self, name: str, piece: Tensor) -> None:
        """Look at some of the stored tensor `name`; a piece of any shape, of which whole numbers are let through."""
        if piece.dtype not in _BITS or not piece.numel():
            return
        whole, unsigned, exponent = _BITS[piece.dtype]
        bits = piece.view(whole).numpy()
        negative = exponent + (1 << (8 * piece.element_size() - 1))
        if bits.max() >= exponent or bits.view(unsigned).max() >= negative:
            self._counts[name] += int(np.count_nonzero((bits & exponent) == exponent))

    def refuse(self, stored: Mapping[str, Stored]) -> None:
        """Raise UserError where something was not finite, with the first such tensor."""
        if not self._counts:
            return
        name, count = next(iter(self._counts.items()))
        numbers = "a number that is" if count == 1 else f"{count:,} numbers that are"
        more = len(self._counts) - 1
        others = f", and so do {more} other tensors" if more > 1 else ", and so does another tensor" if more else ""
        raise UserError(
            f"{stored[name].file}: {name} holds {numbers} NaN or infinite{others}; the file is damaged, or its "
            "training diverged"
        )
