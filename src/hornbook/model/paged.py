"""A cache in blocks that sequences share, and attention over it that does not depend on who else is in the step.

Rows of several sequences stand side by side, so that every linear map is one product. What a product gives for a row
must not depend on the rows beside it. BLAS and oneDNN choose their kernels by shape, and kernels add in different
orders; so shapes are kept where one kernel serves all of them:

- rows come in multiples of `ROWS`, enough that no thread is left with so few that another kernel takes over (on Intel's
  processors MKL is told to be strict besides, in hornbook/__init__.py);
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
from hornbook.model.config import AttentionKind, ModelConfig

ROWS = 4
SEGMENT = 512
# Scores of one group of heads that are computed at once; longer parts are read in slices.
_SCORES = 1 << 22


def padded(rows: int) -> int:
    """What a step of `rows` rows is filled up to: a multiple of `ROWS` for each thread."""
    unit = ROWS * torch.get_num_threads()
    return -(-rows // unit) * unit


@dataclass(frozen=True)
class Reading:
    """One sequence's rows in a step: where they stand, their positions, and where the sequence lies in the cache.

    slots: the cache's slots in the sequence's order, `length` of them, a whole number of segments; a slice where they
    lie side by side.
    """

    rows: slice
    start: int
    slots: slice | Tensor
    length: int


class Step:
    """What a step reads: `written` (tokens,) are the slots of its tokens, in the order of the rows.

    Readings of one token come first. What every layer of a kind sees is worked out once.
    """

    def __init__(self, readings: Sequence[Reading], written: Tensor) -> None:
        self.written = written
        self.single = [reading for reading in readings if reading.rows.stop - reading.rows.start == 1]
        self.several = readings[len(self.single) :]
        self._masks: dict[tuple[AttentionKind, int], Tensor] = {}

    def mask(self, config: ModelConfig, kind: AttentionKind, index: int, dtype: torch.dtype) -> Tensor:
        """What the reading number `index` of one token sees, in layers of a kind: see `_mask`."""
        if (kind, index) not in self._masks:
            reading = self.single[index]
            self._masks[kind, index] = _mask(config, kind, reading, 0, 1, dtype, self.written.device)
        return self._masks[kind, index]


class PagedLayer:
    """One layer's keys and values of all sequences: (kv_heads, slots, head_size) each."""

    def __init__(self, config: ModelConfig, layer: int, slots: int, device: torch.device, dtype: torch.dtype) -> None:
        shape = (config.key_value_heads, slots, config.head_size)
        self.keys = torch.zeros(shape, device=device, dtype=dtype)
        self.values = torch.zeros(shape, device=device, dtype=dtype)
        self.config, self.kind = config, config.kind(layer)
        self.group = config.heads // config.key_value_heads
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
        # The query heads of a group stand side by side and share its keys: nothing is copied.
        grouped, out = (x[0].view(len(self.keys), self.group, *q.shape[2:]) for x in (q, y))
        if self.step.single:
            self._singles(self.step, grouped, out)
        for reading in self.step.several:
            self._several(reading, grouped[:, :, reading.rows], out[:, :, reading.rows])
        return y

    def _singles(self, step: Step, q: Tensor, out: Tensor) -> None:
        """Attention of one token each: q, out (kv_heads, group, rows, size)."""
        count = len(step.single)
        fill = -self.group % ROWS
        rows = F.pad(q[:, :, :count].permute(2, 0, 1, 3), (0, 0, 0, fill))  # (readings, kv_heads, filled, size)
        made = [
            self._attend(rows[index : index + 1], reading, step.mask(self.config, self.kind, index, q.dtype))
            for index, reading in enumerate(step.single)
        ]
        out[:, :, :count] = torch.cat(made)[:, :, : self.group].permute(1, 2, 0, 3)

    def _several(self, reading: Reading, q: Tensor, out: Tensor) -> None:
        """Attention of several tokens of one sequence: q, out (kv_heads, group, time, size)."""
        kv_heads, group, time, size = q.shape
        most = max(ROWS, _SCORES // (reading.length * group) // ROWS * ROWS)
        for first in range(0, time, most):
            part = q[:, :, first : first + most]
            rows = part.shape[2]
            fill = -group * rows % ROWS
            x = F.pad(part.reshape(1, kv_heads, group * rows, size), (0, 0, 0, fill))
            made = self._attend(x, reading, _mask(self.config, self.kind, reading, first, rows, q.dtype, q.device))
            out[:, :, first : first + most] = made[0, :, : group * rows].view(kv_heads, group, rows, size)

    def _attend(self, q: Tensor, reading: Reading, mask: Tensor) -> Tensor:
        """q: (1, kv_heads, rows, size) -> the same shape."""
        if isinstance(reading.slots, slice):
            keys, values = self.keys[:, reading.slots], self.values[:, reading.slots]
        else:
            keys, values = self.keys.index_select(1, reading.slots), self.values.index_select(1, reading.slots)
        return F.scaled_dot_product_attention(
            q, keys[None], values[None], attn_mask=mask, scale=self.config.score_scale
        )


def _mask(
    config: ModelConfig,
    kind: AttentionKind,
    reading: Reading,
    first: int,
    rows: int,
    dtype: torch.dtype,
    device: torch.device,
) -> Tensor:
    """What tokens first..first + rows of a reading see: (1, 1 or kv_heads, group * rows, filled up; slots)."""
    group = config.heads // config.key_value_heads
    query = torch.arange(reading.start + first, reading.start + first + rows, device=device)
    key = torch.arange(reading.length, device=device)
    if kind == "sparse":
        assert config.blocksparse is not None
        seen = rule.mask(query[None], key[None], config.heads, config.blocksparse)[0]
        seen = seen.reshape(config.key_value_heads, group * rows, reading.length)
    else:
        seen = key <= query[:, None]
        if kind == "window" and config.sliding_window is not None:
            seen &= query[:, None] - key < config.sliding_window
        seen = seen.repeat(group, 1)[None]
    mask = torch.zeros(seen.shape, dtype=dtype, device=device).masked_fill_(~seen, -torch.inf)
    # A row that sees nothing would not be a number: those that fill up see every key.
    return F.pad(mask, (0, 0, 0, -group * rows % ROWS))[None]
