"""What is learnt at the longer length: long rows and short rows in every step, so that neither context is forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from hornbook.model.transformer import Transformer
from hornbook.train.objective import Batch, Objective, split
from hornbook.train.pretrain import NextToken


@dataclass
class LongAndShort(Objective):
    """Next-token prediction on two row lengths at once; each token counts alike.

    The model turns short rows by its short factors and long rows by its long ones. `short` None: long rows only.
    """

    long: NextToken
    short: NextToken | None

    def __post_init__(self) -> None:
        self.steps = min(part.steps for part in self._parts())
        self.tokens_per_step = sum(part.tokens_per_step for part in self._parts())

    def _parts(self) -> list[NextToken]:
        return [self.long] if self.short is None else [self.long, self.short]

    def batch(self, step: int) -> Batch:
        """The batches of both lengths, `long_` or `short_` before the names of their tensors."""
        names = ("long", "short")
        return {
            f"{name}_{key}": tensor
            for name, part in zip(names, self._parts(), strict=False)
            for key, tensor in part.batch(step).items()
        }

    def micro_batches(self, batch: Batch, rows: int) -> Iterator[Batch]:
        """First the long rows, then the short ones, of which as many as make the same number of tokens at once."""
        for name, part in zip(("long", "short"), self._parts(), strict=False):
            own = {key: tensor for key, tensor in batch.items() if key.startswith(name)}
            yield from split(own, max(1, rows * (self.long.row - 1) // (part.row - 1)))

    def loss(self, model: Transformer, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """The mean over all tokens; each length's own mean is logged."""
        total: Tensor | None = None
        figures = {}
        for name, part in zip(("long", "short"), self._parts(), strict=False):
            own = {key.removeprefix(f"{name}_"): tensor for key, tensor in batch.items() if key.startswith(name)}
            if own:
                loss, _ = part.loss(model, own)
                share = part.tokens_per_step / self.tokens_per_step
                figures[name] = loss.item()
                total = share * loss if total is None else total + share * loss
        assert total is not None
        return total, figures
