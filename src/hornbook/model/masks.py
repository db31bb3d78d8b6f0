"""What each token may look at: masks for padding, packed documents, caches and windows."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from hornbook.model.blocksparse import rule
from hornbook.model.config import AttentionKind, ModelConfig


class AttentionMask(NamedTuple):
    """What the tokens of one step see in layers of one kind.

    seen: (batch or 1, heads or 1, time, slots) of bool, True where seen, or None.
    causal: without `seen`, whether token i sees slots 0..i only; otherwise it sees every slot.
    starts: (batch,) padding slots to the left of each sequence, for block-sparse layers; None without padding.
    """

    seen: Tensor | None = None
    causal: bool = True
    starts: Tensor | None = None


def sequence_mask(
    config: ModelConfig,
    kind: AttentionKind,
    positions: Tensor,
    attention_mask: Tensor | None,
    document_ids: Tensor | None,
) -> AttentionMask:
    """What the tokens of whole sequences see in layers of `kind`.

    positions: (batch or 1, time), in each token's own document. attention_mask: (batch, time) of bool, False where an
    id is padding; document_ids: (batch, time) of integers; None: no padding, one document a row.
    """
    time = positions.shape[1]
    window = config.sliding_window if kind == "window" else None
    if attention_mask is None and (window is None or time <= window):
        return AttentionMask()
    if kind == "sparse" and document_ids is None and attention_mask is not None:
        return AttentionMask(starts=attention_mask.int().argmax(1))
    if attention_mask is None:
        attention_mask = torch.ones(1, time, dtype=torch.bool, device=positions.device)
    seen = tokens_seen(attention_mask, document_ids, window)
    if kind == "sparse":
        assert config.blocksparse is not None
        seen = seen & rule.mask(positions, positions, config.heads, config.blocksparse)
    return AttentionMask(seen)


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
