"""Validation loss: how well a model predicts text of each source that it never read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hornbook.evaluate.benchmark import Benchmark, Result, Subject

if TYPE_CHECKING:
    from hornbook.model.transformer import Transformer


def validation_loss(model: Transformer, folder: Path, pad: int, batch: int = 64) -> dict[str, float]:
    """Mean negative log-likelihood in nats a token, by source; `folder` is the tokens stage's `validation`."""
    import numpy as np
    import torch
    import torch.nn.functional as F

    from hornbook.tokens import shards

    losses = {}
    with torch.inference_mode():
        for source in shards.names(folder):
            table = shards.read(folder, source)
            total = count = 0.0
            for start in range(0, len(table), batch):
                rows = torch.from_numpy(np.asarray(table[start : start + batch], dtype=np.int64))
                targets = rows[:, 1:].masked_fill(rows[:, 1:] == pad, -100)
                logits = model(rows[:, :-1]).flatten(0, 1)
                total += F.cross_entropy(logits, targets.flatten(), ignore_index=-100, reduction="sum").item()
                count += float((targets != -100).sum())
            if count:
                losses[source] = total / count
    return losses


def rounded(losses: dict[str, float]) -> dict[str, float]:
    """Losses as figures keep them: studies compare what differs by less than a ten-thousandth of a nat."""
    return {source: round(loss, 6) for source, loss in losses.items()}


def _run(subject: Subject, folder: Path) -> Result:
    from hornbook.tokens.shards import pad_of

    return Result(rounded(validation_loss(subject.model, folder, pad_of(folder, subject.tokenizer))))


VALIDATION = Benchmark("validation_loss", lambda held_out, settings: held_out.validation, _run)
