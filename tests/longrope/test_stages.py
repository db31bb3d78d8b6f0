"""The three stages of a recipe, from a corpus folder to figures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from hornbook.longrope.documents import of_corpus
from hornbook.model.formats import checkpoint
from hornbook.model.tokenizers import Tokenizer
from hornbook.model.transformer import Transformer
from hornbook.progress import Progress
from hornbook.recipe import Recipe
from hornbook.seeds import derive
from hornbook.tokens.tokenize import tokenize

RECIPE = Recipe.model_validate(
    {
        "sources": [{"name": "texts", "path": "texts"}],
        "tokens": {"training_characters": 20_000, "validation_tokens": 1_000, "held_out": 0.3},
        "model": {"vocabulary": 300, "layers": 1, "width": 32, "heads": 2, "mlp_width": 32, "context": 32},
        "pretrain": {
            "batch": 2,
            "phase1": {"tokens": 2_000, "mixture": [{"sources": ["texts"], "share": 1.0}]},
            "phase2": {
                "tokens": 3_000,
                "mixture": [
                    {"sources": ["texts"], "share": 0.5},
                    {"sources": ["texts"], "minimum_score": 2.0, "share": 0.5},
                ],
            },
        },
        "longrope": {
            "context": 96,
            "sources": ["texts"],
            "minimum_score": 2.0,
            "search": {"population": 4, "iterations": 1, "mutations": 1, "crossovers": 1, "parents": 2, "documents": 2},
            "extend": {"tokens": 2_000, "batch": 1, "precision": "fp32"},
            "measure": {"documents": 3, "passkeys": 0},
        },
    }
)


@pytest.fixture
def inputs(tmp_path: Path, some_text: Callable[[int, int], str]) -> dict[str, Path]:
    """What earlier stages would have left: a corpus, tokens, and a model with random weights."""
    rows = []
    for number in range(24):
        text = some_text(number, 25) + f"\n# {number}\n"
        rows.append({"id": f"{number:04d}", "text": text, "source": "texts", "score": 1.0 if number % 4 == 0 else 3.0})
    (tmp_path / "clean" / "documents").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "clean" / "documents" / "part-00000.parquet")
    tokenize(
        tmp_path / "clean",
        RECIPE.tokens,
        {"phase1": RECIPE.pretrain.phase1, "phase2": RECIPE.pretrain.phase2},
        vocabulary=300,
        context=32,
        seed=RECIPE.seed,
        into=tmp_path / "tokens",
        progress=Progress(),
    )
    model = Transformer(RECIPE.model)
    model.initialise(torch.Generator().manual_seed(1))
    checkpoint.save(model, tmp_path / "pretrain" / "phase2", Tokenizer(tmp_path / "tokens" / "tokenizer"))
    return {name: tmp_path / name for name in ("clean", "tokens", "pretrain", "search", "extend", "measure")}


def test_from_a_pretrained_model_to_the_figures_of_a_longer_one(inputs: dict[str, Path]) -> None:
    figures: dict[str, Any] = {}
    for step in RECIPE.steps(Path()):
        if step.name in ("search", "extend", "measure"):
            folders = {name: inputs[name] for name in step.inputs}
            figures[step.name] = step.run(folders, inputs[step.name], Progress())
            assert json.loads(json.dumps(figures[step.name])) == figures[step.name]
    config = checkpoint.load(inputs["extend"] / "model").config
    assert config.longrope is not None
    assert (config.context, config.longrope.original) == (96, 32)
    assert set(figures["measure"]["short"]) == {"none", "extended"}
    assert set(figures["measure"]["short"]["none"]) == {"texts"}
    assert figures["measure"]["lengths"] == [32, 64, 96]


def test_what_the_tokens_stage_held_out_is_held_out_here(inputs: dict[str, Path]) -> None:
    found = list(of_corpus(inputs["clean"], ["texts"], 2.0, held_out=0.3, seed=RECIPE.seed))
    held_out = {text.id for text in found if text.held_out}
    kept_by_tokens = set(json.loads((inputs["tokens"] / "validation" / "texts.documents.json").read_text()))
    trained = set(json.loads((inputs["tokens"] / "shards" / "phase1-0.documents.json").read_text()))
    assert kept_by_tokens and kept_by_tokens <= held_out
    assert not trained & held_out
    # Documents to train on reach the score; those to measure with are not chosen by it.
    assert all(int(text.id) % 4 for text in found if not text.held_out)
    assert held_out == {f"{n:04d}" for n in range(24) if derive(1, "held out", f"{n:04d}") / (1 << 63) < 0.3}
