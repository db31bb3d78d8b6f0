"""The stages that give a model a longer context."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hornbook.pipeline import Stage, Work
from hornbook.recipe import Recipe
from hornbook.settings import Settings
from hornbook.stages.training import TRAINING_CODE

if TYPE_CHECKING:
    from hornbook.longrope.documents import LongDocuments

Run = Callable[[Work], dict[str, Any]]

LONGROPE_CODE = ("longrope", "documents", "evaluate", "inference", *TRAINING_CODE)


def longrope_stages(recipe: Recipe) -> list[Stage]:
    """Search, extend, measure: the pretrained model gets a longer context. None where the recipe does not ask."""
    longrope = recipe.longrope
    if longrope is None:
        return []
    reading = {
        "seed": recipe.seed,
        "held_out": recipe.tokens.held_out,
        **longrope.model_dump(mode="json", include={"context", "sources", "minimum_score"}),
    }

    def documents(work: Work, **most: int) -> LongDocuments:
        from hornbook.longrope.documents import long_documents, of_corpus
        from hornbook.model.tokenizers import Tokenizer

        tokenizer, corpus = Tokenizer(work.inputs["tokens"] / "tokenizer"), work.inputs["clean"]
        texts = of_corpus(
            corpus, longrope.sources, longrope.minimum_score, held_out=recipe.tokens.held_out, seed=recipe.seed
        )
        return long_documents(texts, tokenizer, longrope.context, seed=recipe.seed, **most)

    def search(work: Work) -> dict[str, Any]:
        from hornbook.longrope.search import search

        found = documents(work, most_documents=longrope.search.documents)
        base = work.inputs["pretrain"] / "phase2"
        return search(base, found, longrope.search, seed=recipe.seed, into=work.into, progress=work.progress)

    def extend(work: Work) -> dict[str, Any]:
        from hornbook.longrope.extend import ShortRows, extend
        from hornbook.tokens import shards

        mixture = recipe.pretrain.phase2.mixture
        tables = [shards.read(work.inputs["tokens"] / "shards", f"phase2-{index}") for index in range(len(mixture))]
        short = ShortRows(tables, [component.share for component in mixture])
        found = documents(work, most_tokens=longrope.extend.tokens)
        base = work.inputs["search"] / "model"
        return extend(base, found, short, longrope.extend, seed=recipe.seed, into=work.into, progress=work.progress)

    def measure(work: Work) -> dict[str, Any]:
        from hornbook.longrope.measure import Checkpoints, measure

        folders = [work.inputs["pretrain"] / "phase2", work.inputs["search"] / "model", work.inputs["extend"] / "model"]
        return measure(
            Checkpoints(*folders),
            documents(work, most_documents=1),
            work.inputs["tokens"] / "validation",
            longrope.measure,
            seed=recipe.seed,
            into=work.into,
            progress=work.progress,
        )

    def stage(name: str, summary: str, inputs: tuple[str, ...], settings: Settings, run: Run) -> Stage:
        return Stage(name, summary, inputs, reading | settings.model_dump(mode="json"), LONGROPE_CODE, run)

    kept = ("clean", "tokens")
    trained = (*kept, "pretrain", "search", "extend")
    return [
        stage("search", "factors for a longer context", (*kept, "pretrain"), longrope.search, search),
        stage("extend", "training at the longer context", (*kept, "search"), longrope.extend, extend),
        stage("measure", "perplexity and passkeys by length", trained, longrope.measure, measure),
    ]
