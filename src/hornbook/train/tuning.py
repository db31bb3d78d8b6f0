"""A checkpoint learns from rows of somebody's: what supervised fine-tuning and continued pretraining have in common."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator

from hornbook.amounts import Length
from hornbook.display import plural
from hornbook.machine import choose
from hornbook.progress import Progress
from hornbook.runs.effort import Computation, Effort
from hornbook.runs.stage import Look
from hornbook.seeds import derive
from hornbook.train import lora
from hornbook.train.data import Data, Given, alike, reading_order, tell_few_steps, tell_unread, warn_of_plain_prompts
from hornbook.train.held_out import HeldOutSettings, split
from hornbook.train.lora import LoraSettings
from hornbook.train.objective import Batch, Objective
from hornbook.train.settings import TrainSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from hornbook.model.tokenizers import Tokenizer
    from hornbook.model.transformer import Transformer
    from hornbook.train.rows import Encoded, Example, Rows

SHORTEST = 256  # tokens of a row that several share, at least: few are padded much


class TuneSettings(HeldOutSettings):
    """What is read, how often, and in rows of how many tokens."""

    epochs: float = Field(1.0, gt=0)
    lora: LoraSettings | None = Field(None, description="adapters are trained in the place of the model")
    max_length: Length | None = Field(
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
    `settings.batch` where there are fewer, so that an epoch is a step at least. Raises UserError where nothing can
    be learnt from the rows of a source.
    """
    from hornbook.model.formats import checkpoint
    from hornbook.model.tokenizers import Tokenizer
    from hornbook.train.loop import ending, mean, train
    from hornbook.train.prompts import keep_prompts
    from hornbook.train.validation import outcome, validations_of

    tokenizer = Tokenizer(base)
    model = lora.load(base, settings.lora, seed=seed, freeze=settings.freeze)
    prepare(model, tokenizer)
    reading = _read(tokenizer, model.config.context, sources, settings, stage, seed, progress, whole)
    encoded, rows = reading.encoded, reading.rows
    objective = LearntTokens(rows, reading.order, reading.batch)
    measured = validations_of(reading.held, objective.steps, settings, into)
    log = train(
        model,
        objective,
        settings,
        into=into,
        label="fine-tuning",
        progress=progress,
        seed=seed,
        validations=measured,
    )
    checkpoint.save(model, into / "model", tokenizer, stored_precision=True)
    keep_prompts(reading.held_out or sources, tokenizer, model.config.context, into, held_out=bool(reading.held_out))
    return {
        "conversations": sum(len(one.fitting) for one in encoded),
        "sources": {source.name: {**source.shapes} for source in sources},
        "left_out": dict(sum((source.left_out for source in sources), Counter())),
        "too_long": sum(one.too_long for one in encoded),
        "cut": sum(one.cut for one in encoded),
        "held_out": sum(len(one.rows) for one in reading.held_out),
        "refused": dict(sum((Counter(one.refused) for one in encoded), Counter())),
        "computing": choose(settings.precision, settings.compile).why,
        "rows": len(rows.ids),
        "length": reading.length,
        "batch": reading.batch,
        "steps": len(log),
        "tokens": objective.read_in(len(log)),
        "answer_share": round(int(rows.mask.sum()) / int((rows.document_ids > 0).sum()), 4),
        "loss": mean(ending(log)),
        **outcome(measured, into, progress),
    }


@dataclass(frozen=True)
class _Reading:
    """What is read. rows: of `length` tokens and one more; order: in which they are read, `batch` in a step.

    held: what is held out, all of it as one batch; None where nothing is. held_out: the same as rows.
    """

    encoded: list[Encoded]
    rows: Rows
    order: NDArray[np.int64]
    length: int
    batch: int
    held: LearntTokens | None
    held_out: list[Given]


def _read(
    tokenizer: Tokenizer,
    context: int,
    sources: Sequence[Given],
    settings: TuneSettings,
    stage: str,
    seed: int,
    progress: Progress,
    whole: bool,
) -> _Reading:
    """The rows of all sources, encoded and laid out; see `tune`."""
    import numpy as np

    from hornbook.train.rows import (
        Rows,
        encode_rows,
        fitting_length,
        laid_out,
        nothing_fits,
        nothing_held,
        tell_left_out,
    )

    if tokenizer.template and not whole:
        warn_of_plain_prompts(sources, 'rows of "messages", or by the columns question and answer', progress)
    most = min(context, settings.max_length or context)
    sources, held_out = split(sources, settings, progress)
    encoded = [encode_rows(source.rows, tokenizer, most + 1, whole=whole) for source in sources]
    for source, one in zip(sources, encoded, strict=True):
        tell_left_out(one, "conversation", most, progress)
        if source.rows and not one.fitting:
            raise nothing_fits(one, "conversation", stage, most, context)
    held = [one for source in held_out for one in encode_rows(source.rows, tokenizer, most + 1, whole=whole).fitting]
    longest = max(len(example.ids) for one in (*(one.fitting for one in encoded), held) for example in one)
    length = (settings.max_length and most) or fitting_length(longest - 1, most, SHORTEST)
    tables = [laid_out(one.fitting, length + 1, tokenizer.pad, packing=settings.packing) for one in encoded]
    rows = Rows(*(np.concatenate(parts) for parts in zip(*tables, strict=True)))
    sizes = [len(table.ids) for table in tables]
    order = reading_order(sizes, sources, settings.epochs, derive(seed, stage))
    batch = min(settings.batch, len(order), len(rows.ids))
    if batch < settings.batch:
        progress.say(f"  a step reads {batch:d}, not {settings.batch:d}: there are no more rows of {length:d} tokens")
    tell_unread(order, batch, sizes, sources, "row", progress)
    tell_few_steps(len(order) // batch, progress)
    measured = laid_out(held, length + 1, tokenizer.pad)
    number = len(measured.ids)
    if held_out and not number:
        raise nothing_held(stage)
    objective = LearntTokens(measured, np.arange(number), number) if number else None
    return _Reading(encoded, rows, order, length, batch, objective, held_out)


SHOWN = 3  # examples


def look(
    base: Path,
    sources: Sequence[Given],
    settings: TuneSettings,
    *,
    stage: str,
    seed: int,
    progress: Progress,
    whole: bool = False,
) -> Look:
    """What `tune` would read of the rows: the first examples, counts, and the work that it would be."""
    from hornbook.model.tokenizers import Tokenizer

    tokenizer, (model, adapters) = Tokenizer(base), lora.look(base, settings.lora, settings.freeze)
    config = model.config
    reading = _read(tokenizer, config.context, sources, settings, stage, seed, progress, whole)
    examples: list[Example] = [example for one in reading.encoded for example in one.fitting]
    objective = LearntTokens(reading.rows, reading.order, reading.batch)
    learnt, tokens = (int(table.sum()) for table in (reading.rows.mask, reading.rows.document_ids > 0))
    padding = 1 - tokens / reading.rows.ids.size
    told = [
        f"{plural(len(examples), 'example')} of {min(len(one.ids) for one in examples):,} to "
        f"{max(len(one.ids) for one in examples):,} tokens, {tokens:,} in all, of which {learnt:,} are learnt",
        f"{plural(len(reading.rows.ids), 'row')} of {reading.length:,} tokens, {padding:.0%} padding; "
        f"{plural(objective.steps, 'step')} of {plural(reading.batch, 'row')}",
        memory(model, settings, adapters=adapters, measured=reading.held is not None),
    ]
    read = objective.steps * objective.tokens_per_step
    flops = 3 * read * config.flops_per_token(reading.length)
    effort = Effort(f"{read:,} tokens", 0.0, (Computation(stage, read, flops),), settings.compiles)
    return Look([stretches(tokenizer, one) for one in examples[:SHOWN]], told, effort)


def memory(model: Transformer, settings: TrainSettings, *, adapters: bool, measured: bool) -> str:
    """A line on what a training holds from its first step to its last; see `held`."""
    what = "gradients and the optimiser's means"
    what = f"weights, and adapters' {what}" if adapters else f"weights, {what}"
    size = held(model, settings, adapters=adapters, measured=measured)
    told = f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
    return f"memory: {told} for {what}; what a step computes comes on top"


def held(model: Transformer, settings: TrainSettings, *, adapters: bool, measured: bool) -> int:
    """Bytes of all weights, and of what comes with those that are trained: their gradients and the optimiser's means.

    model: in the precision in which it is stored; what is trained of it has a gradient. adapters: whether it is
    adapters, else everything is loaded in fp32. measured: whether rows are held out.
    """
    import torch
    from torch import nn

    from hornbook.train.loop import kept_in

    compute = choose(settings.precision, settings.compile).compute
    maps = {id(layer.weight) for layer in model.modules() if isinstance(layer, nn.Linear)}
    trained = 12 if settings.optimizer == "muon" else 16

    def bytes_of(parameter: nn.Parameter) -> int:
        if parameter.requires_grad:
            return trained * parameter.numel()
        stored = parameter.dtype if adapters else torch.float32
        kept = kept_in(stored, compute, exact=measured or bool(settings.freeze)) if id(parameter) in maps else stored
        return kept.itemsize * parameter.numel()

    return sum(map(bytes_of, model.parameters())) + sum(buffer.nbytes for buffer in model.buffers())


def stretches(tokenizer: Tokenizer, example: Example) -> list[tuple[str, bool]]:
    """An example's text where it is learnt and where it is not, with its control tokens."""
    groups = itertools.groupby(zip(example.ids, example.mask, strict=True), key=lambda pair: pair[1])
    return [(tokenizer.spell([token for token, _ in group]), learnt) for learnt, group in groups]


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
        self.tokens = self.read_in(self.steps)
        self.learnt_share = float(self.rows.mask[:, 1:].mean())

    def read_in(self, steps: int) -> int:
        """How many tokens the first `steps` steps read, without padding."""
        read = self.order[: steps * self.batch_rows]
        return int((self.rows.document_ids[read, :-1] != 0).sum())

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
        from hornbook.train.losses import MOST, token_cross_entropy

        given = (batch[name] for name in ("ids", "targets", "count", "document_ids"))
        return token_cross_entropy(model, *given, alone=self.learnt_share < MOST), {}
