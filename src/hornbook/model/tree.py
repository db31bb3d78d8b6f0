"""Attention over trees of tokens: continuations that share their beginning, which is read once.

Rows of several trees stand side by side, so that every linear map is one product (see `paged` for why that changes no
bit of a row). Attention is of one tree at a time, over its trunk and itself, so that its shape is the tree's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from hornbook.model.blocksparse import rule
from hornbook.model.config import AttentionKind, ModelConfig


@dataclass
class Trunk:
    """Tokens that trees stand on, read before: each layer's keys and values, (kv_heads, length, head_size)."""

    length: int = 0
    keys: list[Tensor] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)


@dataclass(frozen=True)
class Tree:
    """Tokens that follow a trunk. parents: of each token the index of the one before it, -1 for the trunk's end.

    A token comes behind its parent, and sees the trunk, its ancestors and itself.
    """

    ids: Sequence[int]
    parents: Sequence[int]
    trunk: Trunk
    long: bool = False  # whether it is read under LongRoPE's long factors, as its trunk was

    def positions(self) -> NDArray[np.int64]:
        """The position of each token: (tokens,)."""
        found = np.empty(len(self.ids), np.int64)
        for at, parent in enumerate(self.parents):
            found[at] = self.trunk.length if parent < 0 else found[parent] + 1
        return found

    def ancestors(self) -> NDArray[np.bool_]:
        """Which tokens each token sees among its tree's: (tokens, tokens)."""
        seen = np.zeros((len(self.ids), len(self.ids)), np.bool_)
        for at, parent in enumerate(self.parents):
            if parent >= 0:
                seen[at] = seen[parent]
            seen[at, at] = True
        return seen


class TreeStep:
    """What a step reads: trees with the places of their rows. What all layers of a kind see is worked out once."""

    def __init__(self, config: ModelConfig, trees: Sequence[Tree], device: torch.device, dtype: torch.dtype) -> None:
        self._config, self._device, self._dtype = config, device, dtype
        self.trees = trees
        self.positions = [tree.positions() for tree in trees]
        ends = np.cumsum([len(tree.ids) for tree in trees]).tolist()
        self.rows = [slice(end - len(tree.ids), end) for tree, end in zip(trees, ends, strict=True)]
        self._masks: dict[AttentionKind, list[Tensor]] = {}

    def masks(self, kind: AttentionKind) -> list[Tensor]:
        """What each tree's tokens see: (1, 1 or kv_heads, group * tokens, trunk and tokens) of 0 or minus infinity."""
        if kind not in self._masks:
            self._masks[kind] = [self._mask(kind, *one) for one in zip(self.trees, self.positions, strict=True)]
        return self._masks[kind]

    def _mask(self, kind: AttentionKind, tree: Tree, positions: NDArray[np.int64]) -> Tensor:
        c, tokens = self._config, len(tree.ids)
        group = c.heads // c.key_value_heads
        query = torch.from_numpy(positions)
        key = torch.cat([torch.arange(tree.trunk.length), query])
        seen = torch.cat(
            [torch.ones(tokens, tree.trunk.length, dtype=torch.bool), torch.from_numpy(tree.ancestors())], 1
        )
        if kind == "window" and c.sliding_window is not None:
            seen &= query[:, None] - key < c.sliding_window
        if kind == "sparse":
            assert c.blocksparse is not None
            heads = rule.mask(query[None], key[None], c.heads, c.blocksparse)[0] & seen
            seen = heads.reshape(c.key_value_heads, group * tokens, len(key))
        else:
            seen = seen.repeat(group, 1)[None]
        mask = torch.zeros(seen.shape, dtype=self._dtype).masked_fill_(~seen, -torch.inf)
        return mask[None].to(self._device)


class TreeLayer:
    """One layer of a step over trees; `kept` are the keys and values of the step's rows, (kv_heads, rows, size)."""

    def __init__(self, config: ModelConfig, layer: int, step: TreeStep) -> None:
        self._layer, self._kind, self._step = layer, config.kind(layer), step
        self._group, self._scale = config.heads // config.key_value_heads, config.score_scale
        self.kept: tuple[Tensor, Tensor] | None = None

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q: (1, heads, rows, size); k, v: (1, kv_heads, rows, size) -> the shape of q; rows of no tree give zeros."""
        self.kept = k[0], v[0]
        y = torch.zeros_like(q)
        # The query heads of a group stand side by side and share its keys: nothing is copied.
        grouped, out = (x[0].view(k.shape[1], self._group, *q.shape[2:]) for x in (q, y))
        step = self._step
        for tree, rows, mask in zip(step.trees, step.rows, step.masks(self._kind), strict=True):
            own = grouped[:, :, rows]
            keys, values = k[0, :, rows], v[0, :, rows]
            if tree.trunk.length:
                keys = torch.cat([tree.trunk.keys[self._layer], keys], 1)
                values = torch.cat([tree.trunk.values[self._layer], values], 1)
            flat = own.reshape(1, k.shape[1], -1, q.shape[3])
            made = F.scaled_dot_product_attention(flat, keys[None], values[None], attn_mask=mask, scale=self._scale)
            out[:, :, rows] = made[0].view_as(own)
        return y
