"""The extend stage: training at the longer length with the factors that were found, then the short context again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hornbook.errors import UserError
from hornbook.longrope import checkpoints, retrieval
from hornbook.longrope.documents import LongDocuments
from hornbook.longrope.evolution import Journal
from hornbook.longrope.factors import Factors, extended
from hornbook.longrope.objective import LongAndShort
from hornbook.longrope.search import recover
from hornbook.longrope.settings import ExtendSettings
from hornbook.machine import choose
from hornbook.manifest import SCRATCH
from hornbook.model.config import LongRope
from hornbook.model.tokenizer import PAD, Tokenizer
from hornbook.model.transformer import Transformer
from hornbook.progress import Progress
from hornbook.seeds import derive, stream
from hornbook.tokens.mixture import schedule
from hornbook.tokens.pack import fill, pack
from hornbook.train.loop import mean, train
from hornbook.train.losses import IGNORE
from hornbook.train.pretrain import NextToken

Table = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class ShortRows:
    """Rows of original context + 1 ids that keep the short context alive: tables, and the share of each."""

    tables: Sequence[Table]
    shares: Sequence[float]


def extend(
    base: Path,
    documents: LongDocuments,
    short: ShortRows | None,
    settings: ExtendSettings,
    *,
    seed: int,
    into: Path,
    progress: Progress,
) -> dict[str, Any]:
    """Train the checkpoint `base`, which `search` wrote, at its longer context and write the checkpoint `into/model`.

    Without `short`, short rows are cut from the documents. A run that is stopped goes on where it was and ends with the
    same weights to the last bit.
    """
    tokenizer, machine = Tokenizer(base), choose(settings.precision, settings.compile)
    model = checkpoints.load(base)
    rope = model.config.longrope
    if rope is None:
        raise UserError(f"{base} has no long factors to train with; find them first with `hornbook longrope search`")
    if model.config.context > documents.length:
        raise UserError(f"the documents are cut to {documents.length:,} tokens, {model.config.context:,} are needed")
    short = short or ShortRows([_packed(documents.train, rope.original + 1, tokenizer)], [1.0])
    objective = _objective(model, rope, documents, short, settings, tokenizer, seed, progress)
    log = train(model, objective, settings, into=into, label="reading long documents", progress=progress)
    model.eval()
    pad = tokenizer.control(PAD)
    recovery = _recover(model, rope, short, settings, pad, seed, into, progress) if settings.recovery else None
    warning = checkpoints.save(model, into / "model", tokenizer)
    if warning:
        progress.say(f"  [yellow]{warning}[/yellow]")
    tenth = max(1, len(log) // 10)
    return {
        "context": model.config.context,
        "original": rope.original,
        "computing": machine.why,
        "steps": objective.steps,
        "tokens": objective.steps * objective.tokens_per_step,
        "long_rows": objective.steps * settings.batch,
        "retrieval_share": settings.retrieval_share,
        "loss_first": mean(log[:tenth], "long"),
        "loss_last": mean(log[-tenth:], "long"),
        "recovery": recovery,
    }


def _objective(
    model: Transformer,
    rope: LongRope,
    documents: LongDocuments,
    short: ShortRows,
    settings: ExtendSettings,
    tokenizer: Tokenizer,
    seed: int,
    progress: Progress,
) -> LongAndShort:
    """Which long and short rows come when."""
    context, pad = model.config.context, tokenizer.control(PAD)
    long_tokens = settings.batch * context
    short_rows = round(long_tokens * settings.short_share / (1 - settings.short_share) / rope.original)
    steps = max(1, settings.tokens // (long_tokens + short_rows * rope.original))

    def part(name: str, tables: Sequence[Table], shares: Sequence[float], batch: int, row: int) -> NextToken:
        lookups = round(steps * batch * settings.retrieval_share) if retrieval.fits(tokenizer, row) else 0
        if lookups:
            named = derive(seed, "longrope", name)
            made = retrieval.rows(documents.train, tokenizer, lookups, row, seed=named, progress=progress)
            shares = [*(share * (1 - settings.retrieval_share) for share in shares), settings.retrieval_share]
            tables = [*tables, made]
        sizes = [len(table) for table in tables]
        plan = schedule(sizes, shares, steps * batch, settings.maximum_epochs, derive(seed, "longrope", name))
        if len(plan.rows) < batch:
            raise UserError(
                f"extend: {sum(sizes):,} {name} rows of {row - 1:,} tokens, read {settings.maximum_epochs:g} times, do "
                f"not fill one batch of {batch}; give more text, or lower batch"
            )
        return NextToken(tables, plan, batch, row, pad)

    long = part("long", [_packed(documents.train, context + 1, tokenizer)], [1.0], settings.batch, context + 1)
    if not short_rows:
        return LongAndShort(long, None)
    return LongAndShort(long, part("short", short.tables, short.shares, short_rows, rope.original + 1))


def _packed(documents: Sequence[Sequence[int]], row: int, tokenizer: Tokenizer) -> Table:
    """The documents in rows of `row` ids, each ended by the end of text."""
    sequences = [[*ids, tokenizer.end_of_text] for ids in documents]
    return fill(pack([len(ids) for ids in sequences], row), sequences, row, tokenizer.control(PAD))


def _recover(
    model: Transformer,
    rope: LongRope,
    short: ShortRows,
    settings: ExtendSettings,
    pad: int,
    seed: int,
    into: Path,
    progress: Progress,
) -> dict[str, Any]:
    """Give the model short factors of its own, searched on rows of the original length; returns what was found."""
    assert settings.recovery is not None
    factors, found = recover(
        model,
        _drawn(short, settings.recovery.documents, pad, seed),
        settings.recovery,
        seed=seed,
        journal=Journal(into / SCRATCH / "recovery.jsonl", ""),
        progress=progress,
    )
    long = Factors(rope.long, rope.scales(model.config.context)[1], rope.start_tokens)
    model.config = extended(model.config, model.config.context, long, factors)
    return {"factors": list(factors.values), "loss": round(found.loss, 4), "unchanged": round(found.seeds[0], 4)}


def _drawn(short: ShortRows, count: int, pad: int, seed: int) -> Tensor:
    """`count` short rows, from each table as its share says: (rows, original + 1), IGNORE where there is padding."""
    source = stream(seed, "longrope", "recovery")
    chosen = source.choices(range(len(short.tables)), weights=short.shares, k=count)
    rows = [short.tables[table][source.randrange(len(short.tables[table]))] for table in chosen]
    drawn = torch.from_numpy(np.stack(rows).astype(np.int64))
    return drawn.masked_fill(drawn == pad, IGNORE)
