"""Keys and values of the tokens a model has read, so that each further token costs one step."""

from __future__ import annotations

import torch
from torch import Tensor

from hornbook.model.config import AttentionKind, ModelConfig
from hornbook.model.masks import AttentionMask, step_mask
from hornbook.model.rope import Angles, rotary_angles

# A window's slots are shifted once in so many steps rather than at each.
SLACK = 256


class LayerCache:
    """One layer's keys and values; slots fill from the left, one per token fed."""

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        """keys, values: (batch, kv_heads, slots, head_size), to be filled."""
        self.keys, self.values = keys, values
        self.filled = 0

    def after(self, time: int) -> int:
        """How many slots `append` will return for a step of `time` tokens."""
        return self.filled + time

    def append(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Store k and v of (batch, kv_heads, time, head_size); returns all that is stored, the latest included."""
        end = self.filled + k.shape[2]
        self.keys[:, :, self.filled : end] = k
        self.values[:, :, self.filled : end] = v
        self.filled = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def adopt(self, rows: Tensor, other: LayerCache) -> None:
        """Replace what the sequences `rows` hold by what `other`, which has read the same tokens, holds."""
        count = min(self.filled, other.filled)
        for mine, theirs in ((self.keys, other.keys), (self.values, other.values)):
            mine[rows, :, self.filled - count : self.filled] = theirs[:, :, other.filled - count : other.filled]


class WindowCache(LayerCache):
    """The cache of a layer that sees `window` tokens: it holds the last window - 1, and at most SLACK more."""

    def __init__(self, keys: Tensor, values: Tensor, window: int) -> None:
        super().__init__(keys, values)
        self.window = window

    def after(self, time: int) -> int:
        """How many slots `append` will return: one token sees exactly its window, several need what each one sees."""
        return min(self.filled, self.window - 1) + time

    def append(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Store k and v of (batch, kv_heads, time, head_size); returns the last `after(time)` slots."""
        time = k.shape[2]
        count = self.after(time)
        if self.filled + time <= self.keys.shape[2]:
            super().append(k, v)
            start = self.filled - count
            return self.keys[:, :, start : self.filled], self.values[:, :, start : self.filled]
        kept = count - time
        k = torch.cat((self.keys[:, :, self.filled - kept : self.filled], k), dim=2)
        v = torch.cat((self.values[:, :, self.filled - kept : self.filled], v), dim=2)
        self.filled = min(count, self.window - 1)
        self.keys[:, :, : self.filled] = k[:, :, count - self.filled :]
        self.values[:, :, : self.filled] = v[:, :, count - self.filled :]
        return k, v


class KVCache:
    """The cache of a whole model for a batch of sequences of up to `capacity` tokens each.

    Sequences of unequal lengths are padded on the left, before their first token and nowhere else: `starts` (batch,)
    counts each one's padding. A model with LongRoPE reads a sequence under its long factors from the first token that
    lies beyond the original context; what was cached under the short ones is then of no use, and `crossing` tells it.
    """

    def __init__(
        self, config: ModelConfig, batch: int, capacity: int, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.config, self.capacity, self.dtype = config, capacity, dtype
        self.layers = [_layer(config, index, batch, capacity, device, dtype) for index in range(config.layers)]
        self._kinds = config.kinds
        self.filled = 0
        self.starts = torch.zeros(batch, dtype=torch.long, device=device)
        self.begun = torch.zeros(batch, dtype=torch.bool, device=device)
        self.long = torch.zeros(batch, dtype=torch.bool, device=device)
        self._padded = self._any_long = False
        self._switches = config.switch is not None and capacity > config.switch
        # What was read, to be read again where a sequence crosses its original context.
        self.ids = torch.zeros(batch, capacity if self._switches else 0, dtype=torch.long, device=device)
        self._tables: list[Angles] = []
        if config.positions == "rotary":
            every = torch.arange(capacity, device=device)[None]
            regimes = [False, True] if self._switches else [False]
            self._tables = [rotary_angles(every, config, torch.tensor([[regime]], device=device)) for regime in regimes]

    @property
    def _original(self) -> int:
        return self.config.longrope.original if self.config.longrope is not None else self.capacity

    @property
    def positions(self) -> Tensor:
        """The position that each sequence's next token takes: (batch,)."""
        return self.filled - self.starts

    def crossing(self, ids: Tensor) -> Tensor | None:
        """Indices of the sequences that `ids` (batch, time), not yet admitted, take beyond their original context.

        None where there are none. Sequences that have not begun have nothing cached and do not count.
        """
        if not self._switches or self.filled + ids.shape[1] <= self._original:
            return None
        rows = (self.begun & ~self.long & (self.positions + ids.shape[1] > self._original)).nonzero()[:, 0]
        return rows if len(rows) else None

    def again(self, rows: Tensor) -> KVCache:
        """An empty cache for the sequences `rows`, which reads them under their long factors from the first token."""
        device = self.starts.device
        other = KVCache(self.config, len(rows), self.capacity, device, self.dtype)
        other.starts, other.begun, other._padded = self.starts[rows], self.begun[rows], self._padded
        other.long, other._any_long = torch.ones_like(other.long), True
        return other

    def adopt(self, rows: Tensor, other: KVCache) -> None:
        """Take over what `other`, which was made by `again` and has read the same tokens, holds."""
        for mine, theirs in zip(self.layers, other.layers, strict=True):
            mine.adopt(rows, theirs)
        self.long[rows] = self._any_long = True

    def admit(
        self, ids: Tensor, attention_mask: Tensor | None
    ) -> tuple[Tensor, Angles | None, dict[AttentionKind, AttentionMask]]:
        """Make room for a step of ids (batch, time). attention_mask: the same shape, False at padding; None without.

        Returns the tokens' positions (batch or 1, time), their rotary angles, and what they see in each kind of layer.
        """
        time, end = ids.shape[1], self.filled + ids.shape[1]
        if end > self.capacity:
            raise ValueError(f"the cache holds {self.capacity} tokens, {end} are needed")
        self._begin(time, attention_mask)
        if self._switches:
            self.ids[:, self.filled : end] = ids
            if end > self._original:
                self.long |= self.begun & (end - self.starts > self._original)
                self._any_long = bool(self.long.any())
        positions = torch.arange(self.filled, end, device=ids.device)[None]
        if self._padded:
            positions = (positions - self.starts[:, None]).clamp(min=0)
        masks = {kind: self._mask(kind, time) for kind in self._kinds}
        angles = self._angles(positions, time)
        self.filled = end
        return positions, angles, masks

    def _begin(self, time: int, attention_mask: Tensor | None) -> None:
        """Find each sequence's first token."""
        if attention_mask is None:
            self.begun.fill_(True)
            return
        padding = ~attention_mask
        if bool((self.begun[:, None] & padding).any()) or bool((attention_mask[:, :-1] & padding[:, 1:]).any()):
            raise ValueError("padding may stand before a sequence's first token only")
        self.starts += torch.where(self.begun, 0, time - attention_mask.sum(1))
        self.begun |= attention_mask.any(1)
        self._padded = self._padded or bool(self.starts.any())

    def _angles(self, positions: Tensor, time: int) -> Angles | None:
        """Rows of the tables for these positions, of each sequence's own regime."""
        if not self._tables:
            return None
        if not self._padded:
            chosen = [
                (c[:, :, self.filled :][:, :, :time], s[:, :, self.filled :][:, :, :time]) for c, s in self._tables
            ]
        else:
            chosen = [(c[0, 0, positions][:, None], s[0, 0, positions][:, None]) for c, s in self._tables]
        if not self._any_long:
            return chosen[0]
        regime = self.long[:, None, None, None]
        (short_c, short_s), (long_c, long_s) = chosen
        return torch.where(regime, long_c, short_c), torch.where(regime, long_s, short_s)

    def _mask(self, kind: AttentionKind, time: int) -> AttentionMask:
        """What a step of `time` tokens sees in layers of `kind`, before they are appended."""
        layer = next(layer for index, layer in enumerate(self.layers) if self.config.kind(index) == kind)
        end, slots = self.filled + time, layer.after(time)
        return step_mask(self.config, kind, time, end, slots, self.starts, self._padded)

    def keep(self, rows: Tensor) -> None:
        """Keep only the sequences whose indices `rows` lists: those that ended need no more steps.

        Those behind the first that ended move up in the memory that is there, with the slots that they have filled.
        """
        count = len(rows)
        moved = (rows != torch.arange(count, device=rows.device)).nonzero()
        start = int(moved[0]) if len(moved) else count
        for layer in self.layers:
            for table in (layer.keys, layer.values):
                table[start:count, :, : layer.filled] = table[rows[start:], :, : layer.filled]
            layer.keys, layer.values = layer.keys[:count], layer.values[:count]
        self.starts, self.begun, self.long = self.starts[rows], self.begun[rows], self.long[rows]
        self.ids = self.ids[rows]


def _layer(
    config: ModelConfig, index: int, batch: int, capacity: int, device: torch.device, dtype: torch.dtype
) -> LayerCache:
    """The empty cache of one layer."""
    window = config.sliding_window if config.kind(index) == "window" else None
    slots = capacity if window is None else min(capacity, window - 1 + SLACK)
    shape = (batch, config.key_value_heads, slots, config.head_size)
    keys, values = torch.zeros(shape, device=device, dtype=dtype), torch.zeros(shape, device=device, dtype=dtype)
    return LayerCache(keys, values) if window is None else WindowCache(keys, values, window)
