"""Blocksparse attention (phi-3-small): each head sees the blocks nearby, and of those further back every few.

rule.py says who sees whom. `attend` is the same as attention under that mask without the work on pairs that nobody
sees: whole rows on a CPU by a compiled kernel (cpu_attention), others with tiles in plain PyTorch (tiles.py), a single
token by reading only what it sees (token.py), on a GPU with FlexAttention (flex.py).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from hornbook.model import cpu_attention
from hornbook.model.blocksparse import flex, tiles, token
from hornbook.model.blocksparse.rule import mask, visible_blocks
from hornbook.model.config import BlockSparse

__all__ = ["attend", "mask", "visible_blocks"]


def attend(
    q: Tensor, k: Tensor, v: Tensor, *, settings: BlockSparse, scale: float, starts: Tensor | None = None
) -> Tensor:
    """Blocksparse attention without the work that the mask would throw away; differentiable.

    q: (batch, heads, time, size); k, v: (batch, kv_heads, keys, size), keys >= time, of which the queries are the last
    `time` -> (batch, heads, time, size). starts: (batch,) padding slots to the left of each sequence's first token: a
    slot's position is slot - start. What padding queries get is finite and means nothing.
    """
    if torch.compiler.is_compiling():
        # A compiler would unroll the tiles' loop, for minutes. Here and not as a decorator, which is slow to import.
        return torch.compiler.disable(_attend)(q, k, v, settings, scale, starts)  # type: ignore[no-untyped-call]
    return _attend(q, k, v, settings, scale, starts)


def _attend(q: Tensor, k: Tensor, v: Tensor, settings: BlockSparse, scale: float, starts: Tensor | None) -> Tensor:
    """See `attend`."""
    if flex.suits(q):
        return flex.attend(q, k, v, settings, scale, starts)
    padding = [0] if starts is None else starts.tolist()
    if len(set(padding)) == 1:
        return _attend_from(padding[0], q, k, v, settings, scale)
    rows = [(start, slice(row, row + 1)) for row, start in enumerate(padding)]
    return torch.cat([_attend_from(start, q[row], k[row], v[row], settings, scale) for start, row in rows])


def _attend_from(start: int, q: Tensor, k: Tensor, v: Tensor, settings: BlockSparse, scale: float) -> Tensor:
    """`attend` for sequences that all begin at slot `start`."""
    time, keys = q.shape[2], k.shape[2]
    padding = min(max(start - (keys - time), 0), time)
    if padding == time:
        return torch.zeros_like(q)
    q, k, v = q[:, :, padding:], k[:, :, start:], v[:, :, start:]
    if time == 1 and q.device.type == "cpu" and not torch.is_grad_enabled():
        return token.attend(q, k, v, settings, scale)
    if cpu_attention.able(q, k) and settings.block % cpu_attention.TILE == 0:
        y = cpu_attention.attend(q, k, v, None, scale, blocksparse=settings)
    else:
        y = tiles.attend(q, k, v, settings, scale)
    return F.pad(y, (0, 0, padding, 0)) if padding else y
