"""What an objective is to the training loop. `pretrain`, `sft` and `dpo` hold one each, and so may any other module."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from hornbook.model.transformer import Transformer

Batch = Mapping[str, "Tensor"]


class Objective(ABC):
    """What is learnt: batches that depend on the step's number alone, and a loss that adds up over their parts.

    The first is what makes a resumed run equal to one that never stopped, the second what makes micro-batches equal to
    the whole batch.
    """

    steps: int
    tokens_per_step: int  # that are computed, padding among them
    tokens: int  # that are read in all steps, without padding

    def tokens_before(self, step: int) -> int:
        """How many tokens the steps before `step` compute."""
        return step * self.tokens_per_step

    @abstractmethod
    def batch(self, step: int) -> Batch:
        """The batch of step `step`, the same whenever it is asked for."""

    def micro_batches(self, batch: Batch, rows: int) -> Iterator[Batch]:
        """The batch in parts of at most `rows` rows."""
        return split(batch, rows)

    @abstractmethod
    def loss(self, model: Transformer, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """What a batch, or a part of one, adds to the scalar to minimise, and to the figures to log beside it."""


def split(batch: Batch, rows: int) -> Iterator[Batch]:
    """Cut each tensor along its first dimension; numbers (no dimension), of the whole batch, go with each part."""
    most = max(len(tensor) for tensor in batch.values() if tensor.ndim)
    for start in range(0, most, rows):
        yield {name: tensor[start : start + rows] if tensor.ndim else tensor for name, tensor in batch.items()}
