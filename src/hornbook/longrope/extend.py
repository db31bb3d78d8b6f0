"""The extend stage: training at the longer length with the factors that were found, then the short context again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from hornbook.errors import UserError
from hornbook.longrope.factors import Factors, extended
from hornbook.longrope.inputs import CORPUS, SEARCHED, TOKENS, documents_of
from hornbook.longrope.settings import ExtendSettings, ExtendStageSettings
from hornbook.machine import choose
from hornbook.model.config import LongRope
from hornbook.progress import Progress
from hornbook.runs.effort import Computation, Effort, Volume
from hornbook.runs.manifest import SCRATCH
from hornbook.runs.stage import Stage, Work
from hornbook.seeds import derive, stream
from hornbook.train.objective import Batch, Objective, split
from hornbook.train.pretrain import NextToken

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from hornbook.longrope.documents import LongDocuments
    from hornbook.model.tokenizers import Tokenizer
    from hornbook.model.transformer import Transformer

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
    same weights to the last bit. Raises UserError where `base` has no factors, or where the rows do not fill one batch.
    """
    from hornbook.longrope import checkpoints
    from hornbook.model.tokenizers import Tokenizer
    from hornbook.train import lora
    from hornbook.train.loop import mean, train

    tokenizer, machine = Tokenizer(base), choose(settings.precision, settings.compile)
    model = checkpoints.load(base)
    lora.keep_still(model, settings.freeze)
    rope = model.config.longrope
    if rope is None:
        raise UserError(f"{base} has no long factors to train with; find them first with `hornbook longrope search`")
    if model.config.context > documents.length:
        raise UserError(f"the documents are cut to {documents.length:,} tokens, {model.config.context:,} are needed")
    short = short or ShortRows([_packed(documents.train, rope.original + 1, tokenizer)], [1.0])
    objective = _objective(model, rope, documents, short, settings, tokenizer, seed, progress)
    log = train(model, objective, settings, into=into, label="reading long documents", progress=progress, seed=seed)
    model.eval()
    pad = tokenizer.pad
    recovery = _recover(model, rope, short, settings, pad, seed, into, progress) if settings.recovery else None
    warning = checkpoints.save(model, into / "model", tokenizer)
    if warning:
        progress.say(f"  [yellow]{escape(warning)}[/yellow]")
    tenth = max(1, len(log) // 10)
    return {
        "context": model.config.context,
        "original": rope.original,
        "computing": machine.why,
        "steps": objective.steps,
        "tokens": objective.tokens,
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
    from hornbook.longrope import retrieval
    from hornbook.tokens.mixture import schedule

    context, pad = model.config.context, tokenizer.pad
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
    from hornbook.tokens.pack import fill, pack

    sequences = [[*ids, tokenizer.end_of_text] for ids in documents]
    return fill(pack([len(ids) for ids in sequences], row), sequences, row, tokenizer.pad)


@dataclass
class LongAndShort(Objective):
    """Next-token prediction on two row lengths in every step, so that neither is forgotten; each token counts alike.

    The model turns short rows by its short factors and long rows by its long ones. `short` None: long rows only.
    """

    long: NextToken
    short: NextToken | None

    def __post_init__(self) -> None:
        self.parts = {"long": self.long} if self.short is None else {"long": self.long, "short": self.short}
        self.steps = min(part.steps for part in self.parts.values())
        self.tokens_per_step = sum(part.tokens_per_step for part in self.parts.values())
        self.tokens = sum(sum(part.count_tokens(self.steps)) for part in self.parts.values())

    def batch(self, step: int) -> Batch:
        """The batches of both lengths, `long_` or `short_` before the names of their tensors."""
        return {
            f"{name}_{key}": tensor for name, part in self.parts.items() for key, tensor in part.batch(step).items()
        }

    def micro_batches(self, batch: Batch, rows: int) -> Iterator[Batch]:
        """First the long rows, then the short ones, of which as many as make the same number of tokens at once."""
        for name, part in self.parts.items():
            own = {key: tensor for key, tensor in batch.items() if key.startswith(name)}
            yield from split(own, max(1, rows * (self.long.row - 1) // (part.row - 1)))

    def loss(self, model: Transformer, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """The mean over all tokens; each length's own mean is logged."""
        total: Tensor | None = None
        figures = {}
        for name, part in self.parts.items():
            own = {key.removeprefix(f"{name}_"): tensor for key, tensor in batch.items() if key.startswith(name)}
            if own:
                loss, _ = part.loss(model, own)
                share = part.tokens_per_step / self.tokens_per_step
                figures[name] = loss.item()
                total = share * loss if total is None else total + share * loss
        assert total is not None
        return total, figures


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
    from hornbook.longrope.evolution import Journal
    from hornbook.longrope.search import recover

    assert settings.recovery is not None
    factors, found = recover(
        model,
        _sampled(short, settings.recovery.documents, pad, seed),
        settings.recovery,
        seed=seed,
        journal=Journal(into / SCRATCH / "recovery.jsonl", ""),
        progress=progress,
    )
    long = Factors(rope.long, rope.scales(model.config.context)[1], rope.start_tokens)
    model.config = extended(model.config, model.config.context, long, factors)
    return {
        "factors": list(factors.values),
        "precision": settings.recovery.precision,
        "loss": round(found.loss, 4),
        "unchanged": round(found.seeds[0], 4),
    }


def _sampled(short: ShortRows, count: int, pad: int, seed: int) -> Tensor:
    """`count` short rows, from each table as its share says: (rows, original + 1), IGNORE where there is padding."""
    import numpy as np
    import torch

    from hornbook.train.losses import IGNORE

    source = stream(seed, "longrope", "recovery")
    chosen = source.choices(range(len(short.tables)), weights=short.shares, k=count)
    rows = [short.tables[table][source.randrange(len(short.tables[table]))] for table in chosen]
    sample = torch.from_numpy(np.stack(rows).astype(np.int64))
    return sample.masked_fill(sample == pad, IGNORE)


def _extend(work: Work[ExtendStageSettings]) -> dict[str, Any]:
    from hornbook.tokens import shards

    settings, folder = work.settings, work.inputs["tokens"] / "shards"
    tables = [shards.read(folder, f"phase2-{index}") for index in range(len(settings.mixture))]
    short = ShortRows(tables, [component.share for component in settings.mixture])
    found = documents_of(work, most_tokens=settings.extend.tokens)
    return extend(
        work.inputs["searched"],
        found,
        short,
        settings.extend,
        seed=settings.seed,
        into=work.into,
        progress=work.progress,
    )


def _extend_effort(settings: ExtendStageSettings, volume: Volume) -> Effort:
    tokens = settings.extend.tokens
    trained = Computation("extend", tokens, 3 * tokens * volume.flops_per_token(settings.context))
    return Effort(f"{tokens / 1e6:.2f} M tokens", 0.0, (trained,))


EXTEND = Stage(
    name="extend",
    summary="training at the longer context",
    settings=ExtendStageSettings,
    run=_extend,
    inputs=(CORPUS, TOKENS, SEARCHED),
    on_ranks=True,
    headline=lambda f: f"{f['tokens'] / 1e6:.2f}M tokens, long rows' loss {f['loss_first']:.2f} → {f['loss_last']:.2f}",
    estimate=_extend_effort,
)
