"""Who sees whom under blocksparse attention, written out: the reference that every faster path is tested against."""

from __future__ import annotations

import torch
from torch import Tensor

from hornbook.model.config import BlockSparse


def first_far_block(head: Tensor, heads: int, settings: BlockSparse) -> Tensor:
    """The first block that each head would see however far away; the others follow every `stride` blocks.

    They are the blocks k with (k + head * step + 1) % stride == 0.
    """
    return (-head * settings.step(heads) - 1) % settings.stride


def sees(query: Tensor, key: Tensor, head: Tensor, heads: int, settings: BlockSparse) -> Tensor:
    """Whether a head (of `heads`) lets the query at one position see the key at another; the arguments broadcast.

    Padding has negative positions: only padding sees it.
    """
    distance = query // settings.block - key // settings.block
    far = (key // settings.block - first_far_block(head, heads, settings)) % settings.stride == 0
    return (key <= query) & ((distance < settings.local_blocks) | far) & ((key >= 0) | (query < 0))


def mask(query_positions: Tensor, key_positions: Tensor, heads: int, settings: BlockSparse) -> Tensor:
    """Which keys each query sees, by position in the sequence (block = position // settings.block).

    query_positions: (batch, time), key_positions: (batch, keys), integers -> bool (batch, heads, time, keys).
    Padding has negative positions: only padding sees it.
    """
    head = torch.arange(heads, device=query_positions.device)[:, None, None]
    return sees(query_positions[:, None, :, None], key_positions[:, None, None, :], head, heads, settings)


def visible_blocks(settings: BlockSparse, heads: int, query_block: int) -> list[list[int]]:
    """For each head the key blocks that a query block sees, in order."""
    starts = torch.arange(query_block + 1) * settings.block
    seen = mask(starts[None, -1:], starts[None], heads, settings)[0, :, 0]
    return [row.nonzero().flatten().tolist() for row in seen]
