"""What shrinking costs: how a model's predictions differ from those of the model that it was made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from hornbook.model.transformer import Transformer

TOKENS = 1 << 11  # whose logits are held at once


@torch.inference_mode()
def compare(before: Transformer, after: Transformer, rows: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """For each row (rows, time) of ids, where -1 fills up, the means over its predicted tokens, in nats.

    `loss_before`, `loss_after`: of the next token. `kl`: KL(before || after) of the whole distributions. `top1`: how
    often the likeliest token is the same. `tokens`: how many were predicted. Computed in fp32, sums in fp64.
    """
    found: dict[str, list[float]] = {name: [] for name in ("loss_before", "loss_after", "kl", "top1", "tokens")}
    for row in torch.from_numpy(rows):
        ids, targets = row[:-1].clamp(min=0)[None], row[1:]
        hidden = [model.hidden(ids)[0][targets >= 0] for model in (before, after)]
        targets = targets[targets >= 0]
        if not len(targets):
            continue
        sums = torch.zeros(4, dtype=torch.float64)
        for start in range(0, len(targets), TOKENS):
            part = slice(start, start + TOKENS)
            logits = [model.logits(x[part]) for model, x in zip((before, after), hidden, strict=True)]
            sums += _sums(logits[0], logits[1], targets[part])
        for name, value in zip(found, (sums / len(targets)).tolist(), strict=False):
            found[name].append(value)
        found["tokens"].append(float(len(targets)))
    return {name: np.array(values) for name, values in found.items()}


def _sums(before: Tensor, after: Tensor, targets: Tensor) -> Tensor:
    """Losses, KL and agreement, summed over tokens: (4,) of fp64. before, after: logits (tokens, vocabulary)."""
    logs = [logits.log_softmax(-1) for logits in (before, after)]
    losses = [F.nll_loss(log, targets, reduction="none").double().sum() for log in logs]
    kl = F.kl_div(logs[1], logs[0], log_target=True, reduction="none").double().sum()
    return torch.stack([*losses, kl, (before.argmax(-1) == after.argmax(-1)).double().sum()])


def told(by_row: dict[str, NDArray[np.float64]]) -> dict[str, Any]:
    """The figures of all rows together: perplexities, KL in nats a token, the share of equal likeliest tokens."""
    counts = by_row["tokens"]
    if not counts.size:
        return {}
    mean = {name: float(np.average(values, weights=counts)) for name, values in by_row.items() if name != "tokens"}
    return {
        "perplexity_before": round(float(np.exp(mean["loss_before"])), 4),
        "perplexity_after": round(float(np.exp(mean["loss_after"])), 4),
        "kl": round(mean["kl"], 6),
        "top1": round(mean["top1"], 4),
        "tokens": int(counts.sum()),
    }
