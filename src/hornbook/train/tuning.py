"""A checkpoint learns from rows of somebody's: what supervised fine-tuning and continued pretraining have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator

from hornbook.progress import Progress
from hornbook.seeds import derive
from hornbook.train import lora
from hornbook.train.data import Data, Given, alike, reading_order
from hornbook.train.lora import LoraSettings
from hornbook.train.objective import Batch, Objective
from hornbook.train.settings import TrainSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from hornbook.model.tokenizers import Tokenizer
    from hornbook.model.transformer import Transformer
    from hornbook.train.rows import Rows

SHORTEST = 256  # tokens of a row that several share, at least: few are padded much


class TuneSettings(TrainSettings):
    """What is read, how often, and in rows of how many tokens."""

    epochs: float = Field(1.0, gt=0)
    lora: LoraSettings | None = Field(None, description="adapters are trained in the place of the model")
    max_length: int | None = Field(
        None,
        ge=2,
        description="tokens of a row, which conversations share; unset: the model's context, or, where all of them "
        f"are shorter, the power of two that they need ({SHORTEST} at least)",
    )
    packing: bool = Field(True, description="several conversations share a row; false: each is padded")
    data: tuple[Data, ...] = Field((), description="rows of one's own in place of those that a recipe writes")

    @field_validator("data")
    @classmethod
    def _alike(cls, data: tuple[Data, ...]) -> tuple[Data, ...]:
        return alike(data)


def tune(  # noqa: PLR0913 (one for each wish)
    base: Path,
    sources: Sequence[Given],
    settings: TuneSettings,
    *,
    stage: str,
    seed: int,
    into: Path,
    progress: Progress,
    prepare: Callable[[Transformer, Tokenizer], None] = lambda model, tokenizer: None,
    whole: bool = False,
) -> dict[str, Any]:
    """Train the checkpoint `base` on rows of some sources and write the checkpoint `into/model`.

    Its tokenizer, template, context and files stay what they are. stage: whose settings these are. prepare: what is
    done to the model beforehand. whole: of conversations every word is learnt. A step reads fewer rows than
    `settings.batch` where there are fewer. Raises UserError where nothing can be learnt from the rows of a source.
    """
    import numpy as np

    from hornbook.model.formats import checkpoint
    from hornbook.model.tokenizers import Tokenizer
    from hornbook.train.loop import mean, train
    from hornbook.train.rows import Rows, encode_rows, fitting_length, laid_out, nothing_fits, tell_refused

    tokenizer = Tokenizer(base)
    model = lora.load(base, settings.lora, seed=seed)
    prepare(model, tokenizer)
    most = min(model.config.context, settings.max_length or model.config.context)
    encoded = [encode_rows(source.rows, tokenizer, most + 1, whole=whole) for source in sources]
    for source, one in zip(sources, encoded, strict=True):
        tell_refused(one, "conversations", progress)
        if source.rows and not one.fitting:
            raise nothing_fits(one, "conversations", stage, most, model.config.context)
    longest = max(len(example.ids) for one in encoded for example in one.fitting)
    length = (settings.max_length and most) or fitting_length(longest - 1, most, SHORTEST)
    tables = [laid_out(one.fitting, length + 1, tokenizer.pad, packing=settings.packing) for one in encoded]
    rows = Rows(*(np.concatenate(parts) for parts in zip(*tables, strict=True)))
    order = reading_order([len(table.ids) for table in tables], sources, settings.epochs, derive(seed, stage))
    batch = min(settings.batch, len(order))
    if batch < settings.batch:
        progress.say(f"  {len(order)} rows of {length} tokens are all there is: a step reads {batch}")
    objective = LearntTokens(rows, order, batch)
    log = train(model, objective, settings, into=into, label="fine-tuning", progress=progress, seed=seed)
    checkpoint.save(model, into / "model", tokenizer, stored_precision=True)
    return {
        "conversations": sum(len(one.fitting) for one in encoded),
        "sources": {source.name: {**source.shapes} for source in sources},
        "left_out": dict(sum((source.left_out for source in sources), Counter())),
        "too_long": sum(one.too_long for one in encoded),
        "cut": sum(one.cut for one in encoded),
        "refused": dict(sum((Counter(one.refused) for one in encoded), Counter())),
        "rows": len(rows.ids),
        "length": length,
        "batch": batch,
        "steps": objective.steps,
        "tokens": objective.tokens,
        "answer_share": round(float(rows.mask.mean()), 4),
        "loss": mean(log[-20:]),
    }


@dataclass
class LearntTokens(Objective):
    """Cross-entropy of what is learnt, of conversations what the assistant writes; those that share a row are apart.

    order: the rows in the order in which they are read, each as often as there are epochs.
    """

    rows: Rows
    order: NDArray[np.int64]
    batch_rows: int

    def __post_init__(self) -> None:
        self.steps = len(self.order) // self.batch_rows
        self.tokens_per_step = self.batch_rows * (self.rows.ids.shape[1] - 1)
        read = self.order[: self.steps * self.batch_rows]
        self.tokens = int((self.rows.document_ids[read, :-1] != 0).sum())

    def batch(self, step: int) -> Batch:
        """ids and document_ids (batch, row - 1), targets: IGNORE where nothing is learnt, and how many count."""
        import torch

        from hornbook.train.losses import IGNORE, count_targets

        rows = self.order[step * self.batch_rows : (step + 1) * self.batch_rows]
        ids, mask, documents = (torch.from_numpy(table[rows]) for table in self.rows)
        targets = ids[:, 1:].masked_fill(~mask[:, 1:], IGNORE)
        return {
            "ids": ids[:, :-1],
            "document_ids": documents[:, :-1],
            "targets": targets,
            "count": count_targets(targets),
        }

    def loss(self, model: Transformer, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """Mean cross-entropy in nats a token that is learnt."""
        from hornbook.train.losses import token_cross_entropy

        return token_cross_entropy(model, *(batch[name] for name in ("ids", "targets", "count", "document_ids"))), {}
