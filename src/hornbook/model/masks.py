"""What each token may look at: masks for padding, packed documents, caches and windows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from hornbook.model.blocksparse import rule
from hornbook.model.blocksparse.flex import FEWEST, compiled
from hornbook.model.config import AttentionKind, ModelConfig

if TYPE_CHECKING:
    from torch.nn.attention.flex_attention import BlockMask


class AttentionMask(NamedTuple):
    """What the tokens of one step see in layers of one kind.

    seen: (batch or 1, heads or 1, time, slots) of bool, True where seen, or None.
    causal: without `seen`, whether token i sees slots 0..i only; otherwise it sees every slot.
    starts: (batch,) padding slots to the left of each sequence, for block-sparse layers; None without padding.
    blocks: in place of `seen`, the same for FlexAttention, which leaves out the blocks of it that nobody sees.
    first: (batch or 1, time) of int32, besides `seen`, where each token sees all from its `first` one up to itself.
    """

    seen: Tensor | None = None
    causal: bool = True
    starts: Tensor | None = None
    blocks: BlockMask | None = None
    first: Tensor | None = None


def sequence_mask(
    config: ModelConfig,
    kind: AttentionKind,
    positions: Tensor,
    attention_mask: Tensor | None,
    document_ids: Tensor | None,
    *,
    whole: bool = False,
) -> AttentionMask:
    """What the tokens of whole sequences see in layers of `kind`: on a GPU, of packed documents, as blocks, unless it
    is wanted `whole`, which attention with dropout needs.

    positions: (batch or 1, time), in each token's own document. attention_mask: (batch, time) of bool, False where an
    id is padding; document_ids: (batch, time) of integers; None: no padding, one document a row.
    """
    time = positions.shape[1]
    window = config.sliding_window if kind == "window" else None
    if attention_mask is None and document_ids is None and (window is None or time <= window):
        return AttentionMask()
    if kind == "sparse" and document_ids is None and attention_mask is not None:
        return AttentionMask(starts=attention_mask.int().argmax(1))
    first = first_seen(positions, window) if attention_mask is None and kind != "sparse" else None
    if attention_mask is None:
        attention_mask = torch.ones(1, time, dtype=torch.bool, device=positions.device)
    if positions.is_cuda and document_ids is not None and kind != "sparse" and not whole and time >= FEWEST:
        return AttentionMask(blocks=block_mask(attention_mask, document_ids, window))
    seen = tokens_seen(attention_mask, document_ids, window)
    if kind == "sparse":
        assert config.blocksparse is not None
        seen = seen & rule.mask(positions, positions, config.heads, config.blocksparse)
    return AttentionMask(seen, first=first)


def step_mask(
    config: ModelConfig, kind: AttentionKind, time: int, end: int, slots: int, starts: Tensor, padded: bool
) -> AttentionMask:
    """What the last `time` of `end` tokens that went into a cache see in layers of `kind`, whose cache returns `slots`.

    starts: (batch,) padding slots to the left of each sequence; padded: whether any is not 0.
    """
    if kind == "sparse":
        return AttentionMask(starts=starts if padded else None)
    window = config.sliding_window if kind == "window" else None
    if not padded and (time == 1 or (end == time and (window is None or time <= window))):
        return AttentionMask(causal=time > 1)
    return AttentionMask(slots_seen(starts if padded else starts[:1], end - slots, time, end, window))


def tokens_seen(attention_mask: Tensor, document_ids: Tensor | None, window: int | None = None) -> Tensor:
    """Which tokens each token of a whole sequence may look at: earlier ones, no padding, of its own document.

    attention_mask: (batch, time) of bool; document_ids: (batch, time) of integers -> (batch, 1, time, time).
    Padding and documents lie as they like, but a document's tokens must be neighbours.
    """
    at = torch.arange(attention_mask.shape[1], device=attention_mask.device)
    near = at[:, None] >= at
    if window is not None:
        near = near & (at[:, None] - at < window)
    seen = near & attention_mask[:, None]
    if document_ids is not None:
        seen = seen & (document_ids[:, :, None] == document_ids[:, None])
    # A padding token would see nothing at all, and a softmax over nothing is not a number: every token sees itself.
    return (seen | (at[:, None] == at))[:, None]


def first_seen(positions: Tensor, window: int | None = None) -> Tensor:
    """The first token that each one sees of its document, where nothing is padding.

    positions: (batch or 1, time) of integers, in each token's own document -> the same shape, of int32.
    """
    at = torch.arange(positions.shape[1], device=positions.device)
    near = positions if window is None else positions.clamp(max=window - 1)
    return (at - near).int()


def block_mask(attention_mask: Tensor, document_ids: Tensor, window: int | None = None) -> BlockMask:
    """What `tokens_seen` tells, in FlexAttention's form."""
    from torch.nn.attention.flex_attention import create_block_mask

    def seen(row: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        near = query >= key if window is None else (query >= key) & (query - key < window)
        same = document_ids[row, query] == document_ids[row, key]
        return (near & same & attention_mask[row, key]) | (query == key)

    rows, time = document_ids.shape
    device = str(document_ids.device)
    return create_block_mask(seen, rows, None, time, time, device=device, _compile=document_ids.is_cuda)


def attend_blocks(q: Tensor, k: Tensor, v: Tensor, blocks: BlockMask, scale: float) -> Tensor:
    """Attention under a mask of blocks. q: (batch, heads, time, size); k, v: (batch, kv_heads, time, size)."""
    y: Tensor = compiled()(q, k, v, block_mask=blocks, scale=scale, enable_gqa=q.shape[1] != k.shape[1])
    return y


def slots_seen(starts: Tensor, first: int, queries: int, slots: int, window: int | None = None) -> Tensor:
    """Which of the slots first..slots-1 each of the last `queries` slots may look at.

    starts: (batch,) number of padding slots to the left of each sequence -> (batch, 1, queries, slots - first).
    """
    query = torch.arange(slots - queries, slots, device=starts.device)[:, None]
    slot = torch.arange(first, slots, device=starts.device)[None]
    near = slot <= query
    if window is not None:
        near = near & (query - slot < window)
    return ((near & (slot >= starts[:, None, None])) | (slot == query))[:, None]  # itself: as in `tokens_seen`
