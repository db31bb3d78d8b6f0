"""Blocksparse attention on a GPU: FlexAttention, which skips the blocks that nobody sees."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from hornbook.machine import separate_compiled_code
from hornbook.model.blocksparse.rule import sees
from hornbook.model.config import BlockSparse

if TYPE_CHECKING:
    from torch.nn.attention.flex_attention import BlockMask

FEWEST = 128  # queries; below it, as in decoding, gathering the seen keys is less work than a block mask


def suits(q: Tensor) -> bool:
    """Whether FlexAttention is the way for these queries (batch, heads, time, size)."""
    return q.is_cuda and q.shape[2] >= FEWEST


def attend(q: Tensor, k: Tensor, v: Tensor, settings: BlockSparse, scale: float, starts: Tensor | None) -> Tensor:
    """As `hornbook.model.blocksparse.attend`."""
    padding = None if starts is None else tuple(starts.tolist())
    block_mask = _block_mask(settings, q.shape[1], q.shape[2], k.shape[2], padding, str(q.device))
    y: Tensor = compiled()(q, k, v, block_mask=block_mask, scale=scale, enable_gqa=q.shape[1] != k.shape[1])
    return y


def visibility(
    settings: BlockSparse, heads: int, offset: int, starts: Tensor | None
) -> Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]:
    """The rule in FlexAttention's form, for queries whose first stands in slot `offset` of the keys."""

    def visible(row: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        start = 0 if starts is None else starts[row]
        return sees(query + offset - start, key - start, head, heads, settings)

    return visible


@lru_cache(maxsize=1)
def compiled() -> Any:
    """`flex_attention`, compiled: uncompiled it makes all scores."""
    from torch.nn.attention.flex_attention import flex_attention

    separate_compiled_code()
    return torch.compile(flex_attention, dynamic=False)


@lru_cache(maxsize=8)  # every layer of a forward pass asks for the same one
def _block_mask(
    settings: BlockSparse, heads: int, time: int, keys: int, padding: tuple[int, ...] | None, device: str
) -> BlockMask:
    from torch.nn.attention.flex_attention import create_block_mask

    # Kept for later calls, whatever mode this one is in: tensors made in inference mode are of no use to training.
    with torch.inference_mode(False):
        starts = None if padding is None else torch.tensor(padding, device=device)
        rule = visibility(settings, heads, keys - time, starts)
        rows = None if padding is None else len(padding)
        # Compiled, the mask of all pairs is never there as a whole.
        return create_block_mask(rule, rows, heads, time, keys, device=device, _compile=device != "cpu")
