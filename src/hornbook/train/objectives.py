"""What is learnt: the next token, the assistant's words, or the better of two answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from hornbook.model.transformer import Transformer
from hornbook.tokens.mixture import Schedule
from hornbook.train.loop import Batch, split

IGNORE = -100


def cross_entropy(logits: Tensor, targets: Tensor, count: Tensor) -> Tensor:
    """Negative log-likelihood in nats of the targets that are not IGNORE, over `count`; 0 where all are.

    logits: (batch, time, vocabulary); targets: (batch, time). For a mean, `count` is `counted(targets)`, of the whole
    batch where these are a part of it.
    """
    total = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORE, reduction="sum")
    return total / count


def counted(targets: Tensor) -> Tensor:
    """How many targets are not IGNORE, 1 at least: a number without dimensions."""
    return (targets != IGNORE).sum().clamp(min=1)


@dataclass
class NextToken:
    """Pretraining: rows of shards in a schedule's order; padding is not predicted."""

    shards: Sequence[NDArray[np.integer[Any]]]
    schedule: Schedule
    batch_rows: int
    row: int
    pad: int

    def __post_init__(self) -> None:
        self.steps = len(self.schedule.rows) // self.batch_rows
        self.tokens_per_step = self.batch_rows * (self.row - 1)

    def batch(self, step: int) -> Batch:
        """ids (batch, row - 1), targets, shifted by one, and how many count."""
        table = np.empty((self.batch_rows, self.row), dtype=np.int64)
        for index in range(self.batch_rows):
            at = step * self.batch_rows + index
            table[index] = self.shards[self.schedule.shards[at]][self.schedule.rows[at]]
        rows = torch.from_numpy(table)
        targets = rows[:, 1:].clone()
        targets[targets == self.pad] = IGNORE
        return {"ids": rows[:, :-1], "targets": targets, "count": counted(targets)}

    def cut(self, batch: Batch, rows: int) -> Iterator[Batch]:
        """See `split`."""
        return split(batch, rows)

    def loss(self, model: Transformer, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """Cross-entropy of the next token."""
        return cross_entropy(model(batch["ids"]), batch["targets"], batch["count"]), {}


@dataclass
class Sequential:
    """One objective after another, as if they were one: phi-3's two phases."""

    parts: Sequence[NextToken]

    def __post_init__(self) -> None:
        self.steps = sum(part.steps for part in self.parts)
        self.tokens_per_step = self.parts[0].tokens_per_step

    def batch(self, step: int) -> Batch:
        """The batch of the part that `step` falls into."""
        for part in self.parts:
            if step < part.steps:
                return part.batch(step)
            step -= part.steps
        raise IndexError("past the last step")

    def cut(self, batch: Batch, rows: int) -> Iterator[Batch]:
        """See `split`."""
        return split(batch, rows)

    def loss(self, model: Transformer, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """Cross-entropy of the next token."""
        return self.parts[0].loss(model, batch)


@dataclass
class Answers:
    """Supervised fine-tuning: rows of ids, and a mask that is True where the assistant writes."""

    ids: NDArray[np.int64]
    mask: NDArray[np.bool_]
    order: NDArray[np.int64]
    batch_rows: int

    def __post_init__(self) -> None:
        self.steps = len(self.order) // self.batch_rows
        self.tokens_per_step = self.batch_rows * (self.ids.shape[1] - 1)

    def batch(self, step: int) -> Batch:
        """ids (batch, row - 1), targets: IGNORE where somebody else writes, and how many count."""
        rows = self.order[step * self.batch_rows : (step + 1) * self.batch_rows]
        ids, mask = torch.from_numpy(self.ids[rows]), torch.from_numpy(self.mask[rows])
        targets = ids[:, 1:].masked_fill(~mask[:, 1:], IGNORE)
        return {"ids": ids[:, :-1], "targets": targets, "count": counted(targets)}

    def cut(self, batch: Batch, rows: int) -> Iterator[Batch]:
        """See `split`."""
        return split(batch, rows)

    def loss(self, model: Transformer, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """Cross-entropy of the assistant's tokens."""
        return cross_entropy(model(batch["ids"]), batch["targets"], batch["count"]), {}


def sequence_log_probabilities(model: Transformer, ids: Tensor, targets: Tensor) -> Tensor:
    """Summed log-probability (batch,) of each row's targets that are not IGNORE; ids, targets: (batch, time)."""
    logits = model(ids)
    likelihood = -F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORE, reduction="none")
    return likelihood.view(targets.shape).sum(-1)


@dataclass
class Preferences:
    """DPO (Rafailov et al. 2023, equation 7) with the reference's log-probabilities computed beforehand.

    chosen, rejected: ids (pairs, row); their masks: True where the answer is; reference: (pairs, 2).
    """

    chosen: NDArray[np.int64]
    chosen_mask: NDArray[np.bool_]
    rejected: NDArray[np.int64]
    rejected_mask: NDArray[np.bool_]
    reference: NDArray[np.float32]
    order: NDArray[np.int64]
    batch_pairs: int
    beta: float
    chosen_weight: float

    def __post_init__(self) -> None:
        self.steps = len(self.order) // self.batch_pairs
        self.tokens_per_step = 2 * self.batch_pairs * (self.chosen.shape[1] - 1)

    def batch(self, step: int) -> Batch:
        """ids and targets (pairs, 2, row - 1), the chosen first; how many pairs, and how many chosen targets, count."""
        pairs = self.order[step * self.batch_pairs : (step + 1) * self.batch_pairs]
        ids = torch.from_numpy(np.stack((self.chosen[pairs], self.rejected[pairs]), 1))
        mask = torch.from_numpy(np.stack((self.chosen_mask[pairs], self.rejected_mask[pairs]), 1))
        targets = ids[..., 1:].masked_fill(~mask[..., 1:], IGNORE)
        return {
            "ids": ids[..., :-1],
            "targets": targets,
            "reference": torch.from_numpy(self.reference[pairs]),
            "pairs": torch.tensor(len(pairs)),
            "words": counted(targets[:, 0]),
        }

    def cut(self, batch: Batch, rows: int) -> Iterator[Batch]:
        """See `split`; a row is a pair."""
        return split(batch, rows)

    def loss(self, model: Transformer, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """-log sigmoid(beta * margin), plus the chosen answer's mean loss times `chosen_weight` (RPO)."""
        ids, targets = (torch.cat(batch[name].unbind(1)) for name in ("ids", "targets"))
        chosen, rejected = sequence_log_probabilities(model, ids, targets).chunk(2)
        gain = (chosen - rejected) - (batch["reference"][:, 0] - batch["reference"][:, 1])
        loss = -F.logsigmoid(self.beta * gain).sum() / batch["pairs"]
        if self.chosen_weight:
            loss = loss - self.chosen_weight * chosen.sum() / batch["words"]
        share = 1 / int(batch["pairs"])
        figures = {"accuracy": (gain > 0).sum().item() * share, "margin": gain.sum().item() * share}
        return loss, figures
