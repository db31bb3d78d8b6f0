"""Validation loss: how well a model predicts text of each source that it never read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from hornbook.model.transformer import Transformer
from hornbook.tokens import shards


@torch.inference_mode()
def validation_loss(model: Transformer, folder: Path, pad: int, batch: int = 64) -> dict[str, float]:
    """Mean negative log-likelihood in nats a token, by source; `folder` is the tokens stage's `validation`."""
    losses = {}
    for index in sorted(folder.glob("*.json")):
        if index.name.endswith(".documents.json"):
            continue
        table = shards.read(folder, index.stem)
        total = count = 0.0
        for start in range(0, len(table), batch):
            rows = torch.from_numpy(np.asarray(table[start : start + batch], dtype=np.int64))
            targets = rows[:, 1:].masked_fill(rows[:, 1:] == pad, -100)
            logits = model(rows[:, :-1])
            total += F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-100, reduction="sum").item()
            count += float((targets != -100).sum())
        if count:
            losses[index.stem] = total / count
    return losses
