"""Keys and values of the tokens a model has read, so that each further token costs one step."""

from __future__ import annotations

import torch
from torch import Tensor

from hornbook.model.config import ModelConfig


def visibility(real: Tensor, time: int) -> Tensor:
    """Which slots each of the last `time` tokens may look at.

    real: (batch, slots) of bool, False where a slot is padding -> (batch, 1, time, slots), True where seen.
    """
    slots = torch.arange(real.shape[1], device=real.device)
    query = slots[-time:, None]
    # A padding token would see nothing at all, and a softmax over nothing is not a number: every token sees itself.
    return (((slots <= query)[None] & real[:, None]) | (slots == query)[None])[:, None]


class LayerCache:
    """One layer's keys and values; slots fill from the left, one per token fed."""

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        self.keys, self.values = keys, values
        self.filled = 0

    def append(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Store k and v of (batch, kv_heads, time, head_size); returns all that is stored, the latest included."""
        end = self.filled + k.shape[2]
        self.keys[:, :, self.filled : end] = k
        self.values[:, :, self.filled : end] = v
        self.filled = end
        return self.keys[:, :, :end], self.values[:, :, :end]


class Cache:
    """The cache of a whole model for a batch of sequences of up to `capacity` tokens each.

    `visible` (batch, capacity) tells which slots hold real tokens: sequences of unequal lengths are padded on the left.
    `positions` (batch,) is the position that each sequence's next token takes.
    """

    def __init__(
        self, config: ModelConfig, batch: int, capacity: int, device: torch.device, dtype: torch.dtype
    ) -> None:
        shape = (batch, config.key_heads, capacity, config.head_size)
        self.layers = [
            LayerCache(torch.zeros(shape, device=device, dtype=dtype), torch.zeros(shape, device=device, dtype=dtype))
            for _ in range(config.layers)
        ]
        self.capacity = capacity
        self.visible = torch.zeros(batch, capacity, dtype=torch.bool, device=device)
        self.positions = torch.zeros(batch, dtype=torch.long, device=device)

    @property
    def filled(self) -> int:
        """Number of slots in use."""
        return self.layers[0].filled

    def admit(self, real: Tensor) -> tuple[Tensor, Tensor]:
        """Make room for a step of `time` tokens, of which `real` (batch, time; bool) are no padding.

        Returns their positions (batch, time) and which slots each may look at (batch, 1, time, slots).
        """
        time, start = real.shape[1], self.filled
        if start + time > self.capacity:
            raise ValueError(f"the cache holds {self.capacity} tokens, {start + time} are needed")
        self.visible[:, start : start + time] = real
        steps = real.long().cumsum(1)
        positions = (self.positions[:, None] + steps - 1).clamp(min=0)
        self.positions += steps[:, -1]
        return positions, visibility(self.visible[:, : start + time], time)

    def keep(self, rows: Tensor) -> None:
        """Keep only the sequences whose indices `rows` lists: those that ended need no more steps."""
        for layer in self.layers:
            layer.keys, layer.values = layer.keys[rows], layer.values[rows]
        self.visible, self.positions = self.visible[rows], self.positions[rows]
