"""The measure stage: perplexity against length for every method, and passkeys by depth and length."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.errors import UserError
from hornbook.files import digest_value, write_json
from hornbook.longrope.factors import extended, published
from hornbook.longrope.inputs import BASE, CORPUS, EXTENDED, SEARCHED, TOKENS, documents_of
from hornbook.longrope.settings import MeasureSettings, MeasureStageSettings
from hornbook.machine import Precision, choose, dtype
from hornbook.model.config import ModelConfig
from hornbook.progress import Progress
from hornbook.runs.effort import Computation, Effort, Volume
from hornbook.runs.stage import Stage, Work

if TYPE_CHECKING:
    from torch import Tensor

    from hornbook.longrope.documents import LongDocuments
    from hornbook.model.tokenizers import Tokenizer
    from hornbook.model.transformer import Transformer

# Names of what is compared, in the order of the report.
METHODS = ("none", "pi", "ntk", "yarn", "search", "extended")
# The models that the stages leave, by the name of their method, as a study calls them.
MEASURED = {"search": ("searched", "new factors"), "extended": ("extended", "training with them")}
Z = 1.959964  # standard deviations to either side of a 95% interval


@dataclass(frozen=True)
class Checkpoints:
    """A model's folders: as it was, with the factors of the search, and after the training."""

    base: Path
    searched: Path
    trained: Path


@dataclass(frozen=True)
class Subject:
    """A model under one configuration of its positions."""

    model: Transformer
    config: ModelConfig

    def same(self, other: Subject, length: int) -> bool:
        """Whether both compute the same for sequences of `length` tokens: the short factors are all that counts."""
        mine, theirs = self.config.longrope, other.config.longrope
        if self.model is not other.model or mine is None or theirs is None or length > mine.original:
            return False
        scales = [rope.scales(self.config.context)[0] for rope in (mine, theirs)]
        return mine.short == theirs.short and scales[0] == scales[1] and mine.start_tokens == theirs.start_tokens


def measure(
    folders: Checkpoints,
    documents: LongDocuments,
    validation: Path | None,
    settings: MeasureSettings,
    *,
    seed: int,
    into: Path,
    progress: Progress,
) -> dict[str, Any]:
    """Compare the checkpoint before, after the search and after the training, on documents that no step has read.

    Writes `into/measured.json`. validation: the tokens stage's folder of short held-out rows by source. Raises
    UserError where fewer than two held-out documents are long enough.
    """
    from hornbook.evaluate.validation import rounded, validation_loss
    from hornbook.longrope.perplexity import configured
    from hornbook.model.tokenizers import Tokenizer
    from hornbook.tokens.shards import pad_of

    if len(documents.held_out) < 2:
        raise UserError(
            f"{len(documents.held_out)} held-out documents have the {documents.length + 1:,} tokens that measuring "
            "needs; raise tokens.held_out, or give more text"
        )
    subjects, tokenizer = _subjects(folders, settings.precision), Tokenizer(folders.base)
    rope = subjects["extended"].config.longrope
    assert rope is not None
    rows = documents.rows(settings.documents, held_out=True)
    lengths = _lengths(rope.original, documents.length)
    losses = _token_losses(subjects, rows, lengths, settings.batch_tokens, progress)
    passkeys = {
        name: _passkeys(subjects[name], tokenizer, documents, lengths, settings, seed, progress, name)
        for name in ("none", "extended")
        if settings.passkeys
    }
    short = {}
    if validation is not None:
        pad = pad_of(validation, tokenizer)
        for name in ("none", "extended"):
            with configured(subjects[name].model, subjects[name].config):
                short[name] = validation_loss(subjects[name].model, validation, pad)
    figures = {
        "original": rope.original,
        "context": documents.length,
        "lengths": lengths,
        "documents": len(rows),
        "text": digest_value(rows.tolist()),
        "precision": settings.precision,
        "perplexity": {name: _by_length(of_method) for name, of_method in losses.items()},
        "search_gains": {
            name: _gain(losses["search"][lengths[-1]], losses[name][lengths[-1]])
            for name in ("none", "pi", "ntk", "yarn")
        },
        "passkeys": passkeys,
        "short": {name: rounded(losses) for name, losses in short.items()},
    }
    write_json(into / "measured.json", figures)
    return figures


def _subjects(folders: Checkpoints, precision: Precision) -> dict[str, Subject]:
    """Every method: the published ones are other factors for the same weights."""
    from hornbook.longrope import checkpoints

    device = choose().device
    before, after = (
        checkpoints.load(folder, dtype(precision)).to(device) for folder in (folders.base, folders.trained)
    )
    found = checkpoints.load(folders.searched).config
    subjects = {
        name: Subject(before, extended(before.config, found.context, factors))
        for name, factors in published(before.config, found.context).items()
    }
    return subjects | {"search": Subject(before, found), "extended": Subject(after, after.config)}


def _lengths(original: int, context: int) -> list[int]:
    """The original context, its doubles, and the longer context."""
    doubled = [original * 2**power for power in range(int(math.log2(context / original)) + 1)]
    return [length for length in doubled if length < context] + [context]


def _token_losses(
    subjects: Mapping[str, Subject], rows: Tensor, lengths: Sequence[int], batch_tokens: int, progress: Progress
) -> dict[str, dict[int, Tensor]]:
    """Every method's loss of every token at every length: name -> length -> (documents, tokens).

    The same tokens are predicted at every length: a document's first `context` tokens are read in windows of the
    length, so that only the context which a prediction may use differs.
    """
    from hornbook.longrope.perplexity import configured

    losses: dict[str, dict[int, Tensor]] = {name: {} for name in subjects}
    with progress.task("perplexity against length", len(subjects) * len(lengths)) as bar:
        for name, subject in subjects.items():
            for length in lengths:
                equal = (losses[other].get(length) for other in subjects if subject.same(subjects[other], length))
                known = next((one for one in equal if one is not None), None)
                with configured(subject.model, subject.config):
                    losses[name][length] = (
                        known if known is not None else _window_losses(subject.model, rows, length, batch_tokens)
                    )
                bar.advance()
                bar.note(f"{name} {length:,}: {math.exp(losses[name][length].mean().item()):.1f}")
    return losses


def _by_length(losses: Mapping[int, Tensor]) -> list[dict[str, float]]:
    """A method's perplexity at each length.

    `beginning` is that of the first window alone: the document's first tokens, more of them at longer lengths.
    """
    return [
        {"length": length, **_interval(one), "beginning": round(math.exp(one[:, :length].double().mean().item()), 3)}
        for length, one in losses.items()
    ]


def _gain(losses: Tensor, other: Tensor) -> dict[str, float]:
    """How much lower the loss is than another method's, document by document, in nats, with its 95% interval."""
    gains = (other - losses).double().mean(1)
    middle, half = gains.mean().item(), Z * gains.std().item() / math.sqrt(len(gains))
    return {"gain": round(middle, 5), "low": round(middle - half, 5), "high": round(middle + half, 5)}


def _window_losses(model: Transformer, rows: Tensor, length: int, batch_tokens: int) -> Tensor:
    """The losses of `rows` (rows, context + 1), read in windows of `length` tokens: (rows, as many as fill windows)."""
    import torch

    from hornbook.longrope.perplexity import token_losses

    count = (rows.shape[1] - 1) // length
    windows = torch.stack([rows[:, index * length : (index + 1) * length + 1] for index in range(count)], dim=1)
    return token_losses(model, windows.flatten(0, 1), batch_tokens).view(len(rows), count * length)


def _interval(losses: Tensor) -> dict[str, float]:
    """Perplexity and its 95% interval over documents; losses: (documents, tokens)."""
    means = losses.double().mean(1)
    middle, half = means.mean().item(), Z * means.std().item() / math.sqrt(len(means))
    return {
        "perplexity": round(math.exp(middle), 3),
        "low": round(math.exp(middle - half), 3),
        "high": round(math.exp(middle + half), 3),
    }


def _passkeys(
    subject: Subject,
    tokenizer: Tokenizer,
    documents: LongDocuments,
    lengths: Sequence[int],
    settings: MeasureSettings,
    seed: int,
    progress: Progress,
    label: str,
) -> list[dict[str, float]]:
    """How many of the numbers hidden in held-out text are found, for each depth and length."""
    from hornbook.evaluate.long.haystack import Haystack
    from hornbook.evaluate.long.passkey import passkey
    from hornbook.evaluate.long.prompt import Prompter, TooShortError
    from hornbook.inference.generate import generate
    from hornbook.longrope.perplexity import configured
    from hornbook.longrope.retrieval import FORM

    haystack = Haystack("\n\n".join(tokenizer.decode(ids) for ids in documents.held_out), "held-out documents")
    prompter = Prompter(tokenizer, chat=False)
    newlines = {token for token in range(tokenizer.size) if "\n" in tokenizer.decode([token])}
    figures = []
    with (
        progress.task(f"passkeys, {label}", len(lengths) * len(settings.depths)) as bar,
        configured(subject.model, subject.config),
    ):
        for length in lengths:
            for depth in settings.depths:
                bar.advance()
                try:
                    asked = [
                        passkey(prompter, length, depth, seed + index, form=FORM, haystack=haystack)
                        for index in range(settings.passkeys)
                    ]
                except TooShortError:  # the question alone is longer
                    continue
                answers = generate(
                    subject.model,
                    [question.prompt for question in asked],
                    limit=FORM.room,
                    stops=newlines | {tokenizer.end_of_text},
                    batch=max(1, settings.batch_tokens // length),
                )
                found = sum(
                    tokenizer.decode(ids).strip() == question.expected[0]
                    for ids, question in zip(answers, asked, strict=True)
                )
                figures.append({"length": length, "depth": depth, "found": found, "of": len(asked)})
    return figures


def _measure(work: Work[MeasureStageSettings]) -> dict[str, Any]:
    return measure(
        Checkpoints(work.inputs["base"], work.inputs["searched"], work.inputs["extended"]),
        documents_of(work, most_documents=1),
        work.inputs["tokens"] / "validation",
        work.settings.measure,
        seed=work.settings.seed,
        into=work.into,
        progress=work.progress,
    )


def _measure_effort(settings: MeasureStageSettings, volume: Volume) -> Effort:
    tokens = 60 * settings.context
    read = Computation("measure", tokens, tokens * volume.flops_per_token(settings.context))
    return Effort(f"to {settings.context:,} tokens", 30, (read,))


MEASURE = Stage(
    name="measure",
    summary="perplexity and passkeys by length",
    settings=MeasureStageSettings,
    run=_measure,
    inputs=(CORPUS, TOKENS, BASE, SEARCHED, EXTENDED),
    headline=lambda f: "perplexity at {:,}: {:.1f}; at {:,}: {:.1f}".format(
        *(f["perplexity"]["extended"][end][key] for end in (0, -1) for key in ("length", "perplexity"))
    ),
    estimate=_measure_effort,
)
