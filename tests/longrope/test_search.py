from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from hornbook import machine
from hornbook.errors import UserError
from hornbook.longrope import checkpoints, perplexity, search
from hornbook.longrope.documents import LongDocuments, long_documents, of_files
from hornbook.longrope.factors import extended, published
from hornbook.longrope.perplexity import mean_loss
from hornbook.longrope.settings import START_TOKEN_THRESHOLDS, SearchSettings
from hornbook.model.config import ModelConfig
from hornbook.model.tokenizers import Tokenizer
from hornbook.progress import Progress

SMALL = SearchSettings(population=6, iterations=3, mutations=2, crossovers=2, parents=3, documents=3)


@pytest.fixture
def documents(base: Path, texts: Path) -> LongDocuments:
    return long_documents(of_files(texts, held_out=0.0, seed=1), Tokenizer(base), 96, seed=1)


def run(base: Path, documents: LongDocuments, into: Path, settings: SearchSettings = SMALL) -> dict[str, Any]:
    return search.search(base, documents, settings, seed=1, into=into, progress=Progress())


@pytest.mark.numerics
def test_the_found_factors_are_saved_and_give_the_loss_that_was_found(
    base: Path, documents: LongDocuments, tmp_path: Path
) -> None:
    figures = run(base, documents, tmp_path / "out")
    model = checkpoints.load(tmp_path / "out" / "model")
    rope = model.config.longrope
    assert rope is not None
    assert (model.config.context, rope.original) == (96, 32)
    assert list(rope.long) == figures["factors"]
    assert rope.start_tokens == figures["start_tokens"]
    loss = mean_loss(model, model.config, documents.rows(3), 1000)
    assert loss == pytest.approx(figures["loss"], abs=1e-4)
    assert figures["loss"] <= min(figures["published"][name] for name in ("pi", "ntk")) + 1e-4
    assert set(figures["published"]) == {"none", "pi", "ntk", "yarn"}
    assert json.loads((tmp_path / "out" / "search.json").read_text())["history"][-1] == pytest.approx(loss, abs=1e-5)


@pytest.mark.parametrize("method", ["pi", "ntk", "yarn"])
def test_a_published_method_is_taken_unsearched(
    base: Path, documents: LongDocuments, tmp_path: Path, method: Any
) -> None:
    figures = run(base, documents, tmp_path / "out", SMALL.model_copy(update={"method": method}))
    model = checkpoints.load(tmp_path / "out" / "model")
    rope, expected = model.config.longrope, published(checkpoints.load(base).config, 96)[method]
    assert rope is not None
    assert rope.long == pytest.approx(expected.values)
    assert rope.scales(96)[1] == pytest.approx(expected.attention_factor)
    assert (figures["method"], figures["evaluated"]) == (method, 0)
    assert figures["loss"] == figures["published"][method]
    assert mean_loss(model, model.config, documents.rows(3), 1000) == pytest.approx(figures["loss"], abs=1e-4)


@pytest.mark.numerics
def test_the_search_is_the_same_on_every_processor(
    base: Path, documents: LongDocuments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {}
    for native in ("0", "1"):
        monkeypatch.setenv(machine.BF16, native)
        found[native] = run(base, documents, tmp_path / native)
    assert found["0"] == found["1"]
    assert found["0"]["precision"] == "fp32"
    told = run(base, documents, tmp_path / "bf16", SMALL.model_copy(update={"precision": "bf16"}))
    assert told["precision"] == "bf16"
    assert told["loss"] != found["0"]["loss"]


def test_transformers_reads_what_it_can_compute(base: Path, documents: LongDocuments, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    run(
        base,
        documents,
        tmp_path / "out",
        SMALL.model_copy(update={"start_tokens": False, "attention_factor": "formula"}),
    )
    folder = tmp_path / "out" / "model"
    values = json.loads((folder / "config.json").read_text())
    assert "hornbook_start_tokens" not in values
    assert (values["max_position_embeddings"], values["original_max_position_embeddings"]) == (96, 32)
    ours, theirs = checkpoints.load(folder), AutoModelForCausalLM.from_pretrained(folder)
    for length in (20, 32, 33, 96):
        ids = documents.rows(2)[:, :length]
        with torch.inference_mode():
            torch.testing.assert_close(ours(ids), theirs(ids).logits, atol=1e-4, rtol=1e-4)


def test_start_tokens_are_kept_beside_the_factors_with_a_warning(
    base: Path, documents: LongDocuments, tmp_path: Path
) -> None:
    model, tokenizer = checkpoints.load(base), Tokenizer(base)
    rows, plain = documents.rows(2), checkpoints.load(base).config
    factors = published(plain, 96)["pi"]
    model.config = extended(plain, 96, factors)
    assert checkpoints.save(model, tmp_path / "none", tokenizer) is None
    model.config = extended(plain, 96, type(factors)(factors.values, 1.0, 8))
    warning = checkpoints.save(model, tmp_path / "some", tokenizer)
    assert warning is not None and "transformers" in warning and "\n" not in warning
    assert checkpoints.load(tmp_path / "some").config == model.config
    losses = [
        mean_loss(checkpoints.load(tmp_path / name), checkpoints.load(tmp_path / name).config, rows, 1000)
        for name in ("none", "some")
    ]
    assert losses[0] != losses[1]


def test_the_spaces_of_the_paper_and_of_the_authors_code() -> None:
    config = ModelConfig(context=128)
    paper = search.search_space(config, 8.0, SearchSettings())
    released = search.search_space(config, 8.0, SearchSettings(variant="released"))
    assert (paper.low, paper.high, paper.start_tokens) == (100, 1000, START_TOKEN_THRESHOLDS)
    assert (released.low, released.high, released.start_tokens) == (100, 900, (0,))
    assert search.search_space(config, 8.0, SearchSettings(start_tokens=False)).start_tokens == (0,)
    settings = SearchSettings(attention_factor="formula")
    assert search.attention_factor(settings, config, 1024) == pytest.approx(math.sqrt(1 + math.log(8) / math.log(128)))
    assert search.attention_factor(SearchSettings(), config, 1024) == 1.0


def test_stopped_at_any_evaluation_the_search_of_a_model_ends_the_same(
    base: Path, documents: LongDocuments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = run(base, documents, tmp_path / "whole")
    calls = 0

    def dying(*arguments: Any) -> float:
        nonlocal calls
        calls += 1
        if calls == 10:
            raise KeyboardInterrupt
        return mean_loss(*arguments)

    monkeypatch.setattr(perplexity, "mean_loss", dying)
    with pytest.raises(KeyboardInterrupt):
        run(base, documents, tmp_path / "stopped")
    assert run(base, documents, tmp_path / "stopped") == expected
    # One more: the one that was interrupted. Published factors are measured once more at the end.
    assert calls == expected["evaluated"] + 1 + 4
    for name in ("search.json", "model/config.json", "model/model.safetensors"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "stopped" / name).read_bytes()


def test_the_short_context_never_gets_worse_on_the_rows_that_were_searched(
    base: Path, documents: LongDocuments, tmp_path: Path
) -> None:
    from hornbook.longrope.evolution import Journal

    model = checkpoints.load(base)
    rows = documents.rows(4)[:, :33]
    before = mean_loss(model, model.config, rows, 1000)
    model.config = extended(model.config, 96, published(model.config, 96)["ntk"])
    short, found = search.recover(model, rows, SMALL, seed=1, journal=Journal(tmp_path / "j", ""), progress=Progress())
    assert max(short.values) <= 1.25
    assert found.loss <= before + 1e-6
    assert found.seeds[0] == pytest.approx(before, abs=1e-6)


@pytest.mark.parametrize(
    ("shape", "context", "words"),
    [({}, 32, "no extension"), ({"positions": "learned", "norm": "layer"}, 96, "learned positions")],
)
def test_what_cannot_be_extended_is_refused_in_one_line(shape: dict[str, Any], context: int, words: str) -> None:
    with pytest.raises(UserError, match=words):
        search.original_context(ModelConfig(context=32, **shape), context)


def test_texts_that_are_too_short_are_named(base: Path, texts: Path) -> None:
    with pytest.raises(UserError, match=r"no document has the 100,001 tokens"):
        long_documents(of_files(texts, held_out=0.0, seed=1), Tokenizer(base), 100_000, seed=1)


def test_documents_come_in_one_order_whatever_the_order_they_are_found_in(base: Path, texts: Path) -> None:
    found = list(of_files(texts, held_out=0.3, seed=1))
    one = long_documents(found, Tokenizer(base), 40, seed=1)
    other = long_documents(reversed(found), Tokenizer(base), 40, seed=1)
    assert one == other
    assert one.held_out and one.train
    assert all(len(ids) > 40 for ids in one.train + one.held_out)
    assert one.rows(2).shape == (2, 41)
    assert long_documents(found, Tokenizer(base), 40, seed=2).train != one.train


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch, make_model: Callable[..., Any]) -> None:
    monkeypatch.setenv("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
