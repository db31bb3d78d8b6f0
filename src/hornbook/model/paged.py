"""A cache in blocks that sequences share, and attention over it that does not depend on who else is in the step.

Rows of several sequences stand side by side, so that every linear map is one product. What a product gives for a row
must not depend on the rows beside it. BLAS and oneDNN choose their kernels by shape, and kernels add in different
orders; so shapes are kept where one kernel serves all of them:

- rows come in multiples of `ROWS`, enough that no thread is left with so few that another kernel takes over;
- attention sees keys in multiples of `SEGMENT`, those that are not there yet masked, so that sums over keys are cut at
  the same places, whatever the sequence's length. A masked key adds an exact zero.

`tests/inference/test_torch_executor.py` compares bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from hornbook.model.blocksparse import rule
from hornbook.model.config import ModelConfig

ROWS = 8
SEGMENT = 512
# Scores of one head group that are computed at once; longer parts are read in slices.
_SCORES = 1 << 22


def padded(rows: int) -> int:
    """The multiple of rows that a step of `rows` rows is filled up to: four for each thread, eight at least."""
    unit = max(ROWS, 4 * torch.get_num_threads())
    return -(-rows // unit) * unit


@dataclass(frozen=True)
class Reading:
    """One sequence's rows in a step: where they stand, their positions, and where the sequence lies in the cache.

    slots: the cache's slots in the sequence's order, a whole number of segments; a slice where they lie side by side.
    """

    rows: slice
    start: int
    slots: slice | Tensor


@dataclass(frozen=True)
class Step:
    """What a step reads: `written` (tokens,) are the slots of its tokens, in the order of the rows."""

    readings: Sequence[Reading]
    written: Tensor


class PagedLayer:
    """One layer's keys and values of all sequences: (kv_heads, slots, head_size) each."""

    def __init__(self, config: ModelConfig, layer: int, slots: int, device: torch.device, dtype: torch.dtype) -> None:
        shape = (config.key_value_heads, slots, config.head_size)
        self.keys, self.values = (
            torch.zeros(shape, device=device, dtype=dtype),
            torch.zeros(shape, device=device, dtype=dtype),
        )
        self.config, self.kind = config, config.kind(layer)
        self.step: Step | None = None

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Store a step's keys and values, and attend. q: (1, heads, rows, size); k, v: (1, kv_heads, rows, size).

        Returns the shape of q; rows that belong to no sequence give zeros.
        """
        assert self.step is not None, "a step is set before a layer reads"
        tokens = len(self.step.written)
        self.keys.index_copy_(1, self.step.written, k[0, :, :tokens])
        self.values.index_copy_(1, self.step.written, v[0, :, :tokens])
        y = torch.zeros_like(q)
        for reading in self.step.readings:
            y[0, :, reading.rows] = self._attend(q[0, :, reading.rows], reading)
        return y

    def _attend(self, q: Tensor, reading: Reading) -> Tensor:
        """q: (heads, time, size) of one sequence -> the same shape."""
        heads, time, size = q.shape
        if isinstance(reading.slots, slice):
            keys, values = self.keys[:, reading.slots], self.values[:, reading.slots]
        else:
            keys, values = self.keys.index_select(1, reading.slots), self.values.index_select(1, reading.slots)
        kv_heads, slots = keys.shape[:2]
        group = heads // kv_heads
        # The query heads of a group stand side by side and share its keys: nothing is copied.
        grouped = q.view(kv_heads, group, time, size)
        most = max(ROWS, _SCORES // (slots * group) // ROWS * ROWS)
        y = torch.empty_like(grouped)
        for first in range(0, time, most):
            part = grouped[:, :, first : first + most]
            rows = part.shape[2]
            fill = padded(group * rows) - group * rows
            x = F.pad(part.reshape(kv_heads, group * rows, size), (0, 0, 0, fill))
            seen = self._seen(reading.start + first, rows, slots, group, fill, q.device)
            made = F.scaled_dot_product_attention(
                x[None], keys[None], values[None], attn_mask=seen, scale=self.config.score_scale
            )
            y[:, :, first : first + most] = made[0, :, : group * rows].view(kv_heads, group, rows, size)
        return y.view(heads, time, size)

    def _seen(self, start: int, rows: int, slots: int, group: int, fill: int, device: torch.device) -> Tensor:
        """Which keys the rows of a group see: bool (1 or kv_heads, group * rows + fill, slots)."""
        query = torch.arange(start, start + rows, device=device)
        key = torch.arange(slots, device=device)
        if self.kind == "sparse":
            assert self.config.blocksparse is not None
            seen = rule.mask(query[None], key[None], self.config.heads, self.config.blocksparse)[0]
            seen = seen.reshape(-1, group * rows, slots)
        else:
            near = key <= query[:, None]
            if self.kind == "window" and self.config.sliding_window is not None:
                near &= query[:, None] - key < self.config.sliding_window
            seen = near.repeat(group, 1)[None]
        # A row that sees nothing would not be a number: those that fill up see every key.
        return F.pad(seen, (0, 0, 0, fill), value=True)
