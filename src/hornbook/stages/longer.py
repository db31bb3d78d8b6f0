"""The stages that give a model a longer context."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from hornbook.longrope.settings import ExtendSettings, MeasureSettings, SearchSettings
from hornbook.runs.effort import Computation, Effort, Volume
from hornbook.runs.stage import Input, Key, Stage, Work
from hornbook.settings import Settings
from hornbook.tokens.settings import Component

if TYPE_CHECKING:
    from hornbook.longrope.documents import LongDocuments

CORPUS = Input("corpus", ("clean",), "A corpus folder: one with documents/ in it.")
TOKENS = Input("tokens", ("tokens",), "What `hornbook tokens` made: a tokenizer, shards and validation texts.")
BASE = Input("base", ("pretrain",), "The model with the short context.", checkpoint=True)
SEARCHED = Input("searched", ("search",), "The model with the factors that were found.", inside="model")
EXTENDED = Input("extended", ("extend",), "The model trained with them.", inside="model")


class LongDocumentsSettings(Settings):
    """Which documents are read whole."""

    seed: int = 1
    held_out: Annotated[float, Key("tokens.held_out")] = 0.02
    context: Annotated[int, Key("longrope.context")]
    sources: Annotated[tuple[str, ...], Key("longrope.sources")]
    minimum_score: Annotated[float, Key("longrope.minimum_score")] = 0.0


class SearchStage(LongDocumentsSettings):
    """What the search stage depends on."""

    search: Annotated[SearchSettings, Key("longrope.search")]


class ExtendStage(LongDocumentsSettings):
    """What the extend stage depends on."""

    extend: Annotated[ExtendSettings, Key("longrope.extend")]
    mixture: Annotated[tuple[Component, ...], Key("pretrain.phase2.mixture")]


class MeasureStage(LongDocumentsSettings):
    """What the measure stage depends on."""

    measure: Annotated[MeasureSettings, Key("longrope.measure")]


def _documents(work: Work[Any], **most: int) -> LongDocuments:
    from hornbook.longrope.documents import long_documents, of_corpus
    from hornbook.model.tokenizers import Tokenizer

    wanted: LongDocumentsSettings = work.settings
    tokenizer = Tokenizer(work.inputs["tokens"] / "tokenizer")
    texts = of_corpus(
        work.inputs["corpus"], wanted.sources, wanted.minimum_score, held_out=wanted.held_out, seed=wanted.seed
    )
    return long_documents(texts, tokenizer, wanted.context, seed=wanted.seed, **most)


def _search(work: Work[SearchStage]) -> dict[str, Any]:
    from hornbook.longrope.search import search

    settings = work.settings
    found = _documents(work, most_documents=settings.search.documents)
    return search(
        work.inputs["base"], found, settings.search, seed=settings.seed, into=work.into, progress=work.progress
    )


def _extend(work: Work[ExtendStage]) -> dict[str, Any]:
    from hornbook.longrope.extend import ShortRows, extend
    from hornbook.tokens import shards

    settings, folder = work.settings, work.inputs["tokens"] / "shards"
    tables = [shards.read(folder, f"phase2-{index}") for index in range(len(settings.mixture))]
    short = ShortRows(tables, [component.share for component in settings.mixture])
    found = _documents(work, most_tokens=settings.extend.tokens)
    return extend(
        work.inputs["searched"],
        found,
        short,
        settings.extend,
        seed=settings.seed,
        into=work.into,
        progress=work.progress,
    )


def _measure(work: Work[MeasureStage]) -> dict[str, Any]:
    from hornbook.longrope.measure import Checkpoints, measure

    return measure(
        Checkpoints(work.inputs["base"], work.inputs["searched"], work.inputs["extended"]),
        _documents(work, most_documents=1),
        work.inputs["tokens"] / "validation",
        work.settings.measure,
        seed=work.settings.seed,
        into=work.into,
        progress=work.progress,
    )


def _forward(settings: LongDocumentsSettings, volume: Volume, what: str, tokens: float) -> Computation:
    return Computation(what, tokens, tokens * volume.flops_per_token(settings.context))


def _search_effort(settings: SearchStage, volume: Volume) -> Effort:
    search = settings.search
    candidates = search.population + search.iterations * (search.mutations + search.crossovers)
    tokens = candidates * search.documents * settings.context
    return Effort(f"{candidates} candidates", 0.0, (_forward(settings, volume, "search", tokens),))


def _extend_effort(settings: ExtendStage, volume: Volume) -> Effort:
    tokens = settings.extend.tokens
    trained = Computation("extend", tokens, 3 * tokens * volume.flops_per_token(settings.context))
    return Effort(f"{tokens / 1e6:.2f} M tokens", 0.0, (trained,))


def _measure_effort(settings: MeasureStage, volume: Volume) -> Effort:
    tokens = 60 * settings.context
    return Effort(f"to {settings.context:,} tokens", 30, (_forward(settings, volume, "measure", tokens),))


SEARCH = Stage(
    name="search",
    summary="factors for a longer context",
    settings=SearchStage,
    run=_search,
    inputs=(CORPUS, TOKENS, BASE),
    headline=lambda f: (
        f"{f['original']:,} → {f['context']:,} tokens, loss {f['loss']:.3f} (YaRN {f['published']['yarn']:.3f})"
    ),
    estimate=_search_effort,
)

EXTEND = Stage(
    name="extend",
    summary="training at the longer context",
    settings=ExtendStage,
    run=_extend,
    inputs=(CORPUS, TOKENS, SEARCHED),
    headline=lambda f: f"{f['tokens'] / 1e6:.2f}M tokens, long rows' loss {f['loss_first']:.2f} → {f['loss_last']:.2f}",
    estimate=_extend_effort,
)

MEASURE = Stage(
    name="measure",
    summary="perplexity and passkeys by length",
    settings=MeasureStage,
    run=_measure,
    inputs=(CORPUS, TOKENS, BASE, SEARCHED, EXTENDED),
    headline=lambda f: "perplexity at {:,}: {:.1f}; at {:,}: {:.1f}".format(
        *(f["perplexity"]["extended"][end][key] for end in (0, -1) for key in ("length", "perplexity"))
    ),
    estimate=_measure_effort,
)
