"""Likelihoods of targets, which the objectives' losses are made of."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from hornbook.model.transformer import Transformer

IGNORE = -100  # a target that no loss counts


def cross_entropy(logits: Tensor, targets: Tensor, count: Tensor) -> Tensor:
    """Negative log-likelihood in nats of the targets that are not IGNORE, over `count`; 0 where all are.

    logits: (batch, time, vocabulary); targets: (batch, time). For a mean, `count` is `count_targets(targets)`, of the
    whole batch where these are a part of it.
    """
    total = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORE, reduction="sum")
    return total / count


def count_targets(targets: Tensor) -> Tensor:
    """How many targets are not IGNORE, 1 at least: a number without dimensions."""
    return (targets != IGNORE).sum().clamp(min=1)


def sequence_log_probabilities(model: Transformer, ids: Tensor, targets: Tensor) -> Tensor:
    """Summed log-probability (batch,) of each row's targets that are not IGNORE; ids, targets: (batch, time)."""
    logits = model(ids)
    likelihood = -F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORE, reduction="none")
    return likelihood.view(targets.shape).sum(-1)
