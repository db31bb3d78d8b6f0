"""The search stage: factors for a longer context, found by evolution without any training (arXiv:2402.13753)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from hornbook.display import plural
from hornbook.errors import UserError
from hornbook.files import digest_file, digest_value, write_json
from hornbook.longrope.evolution import GRID, Individual, Journal, SearchResult, Space, evolve
from hornbook.longrope.factors import Factors, extended, published, unchanged
from hornbook.longrope.inputs import BASE, CORPUS, TOKENS, documents_of
from hornbook.longrope.settings import START_TOKEN_THRESHOLDS, SearchSettings, SearchStageSettings
from hornbook.machine import choose, dtype
from hornbook.model.config import LongRope, ModelConfig
from hornbook.model.formats.adapter_config import model_files
from hornbook.progress import Progress
from hornbook.runs.effort import Computation, Effort, Volume
from hornbook.runs.manifest import SCRATCH
from hornbook.runs.stage import Stage, Work

if TYPE_CHECKING:
    from torch import Tensor

    from hornbook.longrope.documents import LongDocuments
    from hornbook.model.transformer import Transformer

SEEDS = ("pi", "ntk", "yarn")  # the published methods that the search begins with


def search(
    base: Path,
    documents: LongDocuments,
    settings: SearchSettings,
    *,
    seed: int,
    into: Path,
    progress: Progress,
) -> dict[str, Any]:
    """Search factors that take the checkpoint `base` to `documents.length` tokens; write the checkpoint `into/model`.

    The weights stay as they are. `into/search.json` tells the best loss after each iteration. Stopped at any moment and
    started again, the search ends with the same factors; no individual is evaluated twice. With a published `method`
    nothing is searched, and its factors are taken.
    """
    from hornbook.longrope import checkpoints
    from hornbook.longrope.perplexity import mean_loss
    from hornbook.model.tokenizers import Tokenizer

    tokenizer = Tokenizer(base)
    model = checkpoints.load(base, dtype(settings.precision)).to(choose().device)
    config, context = model.config, documents.length
    original = original_context(config, context)
    rows = documents.rows(settings.documents)
    if len(rows) < settings.documents:
        progress.say(
            f"  long enough for the search: {plural(len(rows), 'document')}, {settings.documents:,} were asked for"
        )
    candidates = published(config, context)
    attention = attention_factor(settings, config, context)
    space = search_space(config, context / original, settings)
    found = None
    if settings.method == "evolution":
        found = evolve(
            lambda individual: mean_loss(
                model, extended(config, context, individual.factors(attention)), rows, settings.batch_tokens
            ),
            space,
            [space.nearest(candidates[name]) for name in SEEDS],
            settings,
            seed=seed,
            journal=Journal(into / SCRATCH / "evaluations.jsonl", _evaluation_key(base, rows, settings, context)),
            progress=progress,
        )
    published_losses = {
        name: mean_loss(model, extended(config, context, factors), rows, settings.batch_tokens)
        for name, factors in candidates.items()
    }
    factors = candidates[settings.method] if found is None else found.best.factors(attention)
    # transformers knows one attention factor for all lengths.
    short = Factors(unchanged(config.rotary_size).values, factors.attention_factor)
    model.config = extended(config, context, factors, short)
    warning = checkpoints.save(model, into / "model", tokenizer)
    if warning:
        progress.say(f"  [yellow]{escape(warning)}[/yellow]")
    figures = {
        "context": context,
        "original": original,
        "documents": len(rows),
        "precision": settings.precision,
        "method": settings.method,
        "loss": round(published_losses[settings.method] if found is None else found.loss, 4),
        "published": {name: round(loss, 4) for name, loss in published_losses.items()},
        "factors": list(factors.values),
        "start_tokens": factors.start_tokens,
        "attention_factor": round(factors.attention_factor, 6),
        "evaluated": 0 if found is None else found.evaluated,
    }
    history = [] if found is None else [round(loss, 6) for loss in found.history]
    write_json(into / "search.json", figures | {"history": history})
    return figures


def original_context(config: ModelConfig, context: int) -> int:
    """The original context of a model that is to read `context` tokens; raises UserError where that is no extension."""
    if config.positions != "rotary":
        raise UserError("the model has learned positions; only rotary ones can be extended")
    if config.rope_scaling is not None:
        raise UserError(
            f"the model's positions are scaled already ({config.rope_scaling.kind}); only plain ones can be"
        )
    original = config.longrope.original if config.longrope is not None else config.context
    if context <= original:
        raise UserError(f"the model was trained with {original:,} tokens; a context of {context:,} is no extension")
    return original


def attention_factor(settings: SearchSettings, config: ModelConfig, context: int) -> float:
    """What multiplies cosine and sine beyond the original context."""
    if settings.attention_factor != "formula":
        return settings.attention_factor
    original = config.longrope.original if config.longrope is not None else config.context
    nothing = (1.0,) * (config.rotary_size // 2)
    return LongRope(original=original, short=nothing, long=nothing).scales(context)[1]


def search_space(config: ModelConfig, ratio: float, settings: SearchSettings) -> Space:
    """The paper's space, or that of the authors' code, for a context `ratio` times as long.

    The paper: factors in [1, 1.25 s] in steps of 0.01 and start tokens from a list; the code: [1, 1 + s], none.
    """
    high = 1.25 * ratio if settings.variant == "paper" else 1 + ratio
    start_tokens = START_TOKEN_THRESHOLDS if settings.searches_start else (0,)
    return Space(config.rotary_size // 2, GRID, round(high * GRID), start_tokens)


def recover(
    model: Transformer,
    rows: Tensor,
    settings: SearchSettings,
    *,
    seed: int,
    journal: Journal,
    progress: Progress,
) -> tuple[Factors, SearchResult]:
    """Search the short context's own factors for an extended model; rows: (rows, original + 1) of ids.

    The space is the paper's for s = 1 (its section 3.3), and the factors 1 are among the seeds: it never gets worse on
    `rows`. The model computes in `settings.precision` from then on, and without what was compiled for its training.
    """
    import torch

    from hornbook.longrope.perplexity import mean_loss

    model.compute = dtype(settings.precision)
    config, rope = model.config, model.config.longrope
    assert rope is not None
    long = Factors(rope.long, rope.scales(config.context)[1], rope.start_tokens)
    attention = rope.scales(config.context)[0]
    space = Space(len(rope.short), GRID, round(1.25 * GRID), (rope.start_tokens,))

    def fitness(individual: Individual) -> float:
        candidate = extended(config, config.context, long, individual.factors(attention))
        with torch.compiler.set_stance("force_eager"):
            return mean_loss(model, candidate, rows, settings.batch_tokens)

    seeds = [space.nearest(Factors((1.0,) * len(rope.short))), space.nearest(long)]
    found = evolve(
        fitness, space, seeds, settings, seed=seed, journal=journal, progress=progress, label="recovering short context"
    )
    return found.best.factors(attention), found


def _evaluation_key(base: Path, rows: Tensor, settings: SearchSettings, context: int) -> str:
    """What an evaluation depends on."""
    files = model_files(base)
    weights = {
        path.name: digest_file(path) for path in sorted([*base.glob("*.safetensors*"), *files.glob("*.safetensors*")])
    }
    return digest_value(
        {
            "weights": weights,
            "config": digest_file(files / "config.json"),
            "rows": rows.tolist(),
            "precision": settings.precision,
            "attention_factor": settings.attention_factor,
            "context": context,
        }
    )


def _search(work: Work[SearchStageSettings]) -> dict[str, Any]:
    settings = work.settings
    found = documents_of(work, most_documents=settings.search.documents)
    return search(
        work.inputs["base"], found, settings.search, seed=settings.seed, into=work.into, progress=work.progress
    )


def _search_effort(settings: SearchStageSettings, volume: Volume) -> Effort:
    search = settings.search
    searched = search.population + search.iterations * (search.mutations + search.crossovers)
    candidates = searched if search.method == "evolution" else 0
    tokens = (candidates + len(SEEDS) + 1) * search.documents * settings.context
    read = Computation("search", tokens, tokens * volume.flops_per_token(settings.context))
    return Effort(plural(candidates, "candidate"), 0.0, (read,))


SEARCH = Stage(
    name="search",
    summary="factors for a longer context",
    settings=SearchStageSettings,
    run=_search,
    inputs=(CORPUS, TOKENS, BASE),
    headline=lambda f: (
        f"{f['original']:,} → {f['context']:,} tokens, loss {f['loss']:.3f} (YaRN {f['published']['yarn']:.3f})"
    ),
    estimate=_search_effort,
)
