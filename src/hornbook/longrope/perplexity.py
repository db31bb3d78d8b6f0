"""How well a model predicts long texts under given factors: the fitness of the search, and what is measured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor

from hornbook.model.config import ModelConfig
from hornbook.model.transformer import Transformer
from hornbook.train.losses import IGNORE

# Tokens whose logits are held at once: a large vocabulary over a long text would not fit into memory.
LOGITS = 4096


@contextmanager
def configured(model: Transformer, config: ModelConfig) -> Iterator[None]:
    """The model with another configuration of its positions for a while; the weights are the same."""
    before = model.config
    model.config = config
    try:
        yield
    finally:
        model.config = before


@torch.inference_mode()
def token_losses(model: Transformer, rows: Tensor, batch_tokens: int) -> Tensor:
    """Negative log-likelihood in nats of every token but a row's first.

    rows: (rows, length + 1) of ids, or IGNORE at the end of a row -> (rows, length), fp32 on the CPU, 0 where ignored.
    As many rows as have `batch_tokens` tokens are read at once, one at least.
    """
    device = model.norm.weight.device
    size = max(1, batch_tokens // (rows.shape[1] - 1))
    losses = []
    for start in range(0, len(rows), size):
        batch = rows[start : start + size].to(device)
        hidden, targets = model.hidden(batch[:, :-1].clamp(min=0)).flatten(0, 1), batch[:, 1:].flatten()
        parts = [
            F.cross_entropy(
                model.logits(hidden[at : at + LOGITS]),
                targets[at : at + LOGITS],
                ignore_index=IGNORE,
                reduction="none",
            )
            for at in range(0, len(targets), LOGITS)
        ]
        losses.append(torch.cat(parts).view(len(batch), -1).cpu())
    return torch.cat(losses)


def mean_loss(model: Transformer, config: ModelConfig, rows: Tensor, batch_tokens: int) -> float:
    """Mean loss in nats a token of `rows` (rows, length + 1) under `config`; perplexity is its exponential."""
    with configured(model, config):
        losses = token_losses(model, rows, batch_tokens)
    return losses.double().sum().item() / int((rows[:, 1:] != IGNORE).sum())
