from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hornbook.errors import UserError
from hornbook.longrope import checkpoints
from hornbook.longrope.documents import LongDocuments, long_documents, of_files
from hornbook.longrope.extend import LongAndShort, ShortRows, extend
from hornbook.longrope.factors import extended, published
from hornbook.longrope.perplexity import mean_loss
from hornbook.longrope.settings import ExtendSettings, SearchSettings
from hornbook.model.formats import checkpoint
from hornbook.model.tokenizers import Tokenizer
from hornbook.progress import Progress
from hornbook.train.figures import columns

RECOVERY = SearchSettings(population=4, iterations=1, mutations=2, crossovers=1, parents=2, documents=6)
SMALL = ExtendSettings(
    tokens=6_000, batch=2, precision="fp32", checkpoint_seconds=0, retrieval_share=0.25, recovery=RECOVERY
)


@pytest.fixture
def documents(base: Path, texts: Path) -> LongDocuments:
    return long_documents(of_files(texts, held_out=0.0, seed=1), Tokenizer(base), 96, seed=1)


@pytest.fixture
def searched(base: Path, tmp_path: Path) -> Path:
    """The base with NTK's factors for three times its context."""
    model = checkpoints.load(base)
    model.config = extended(model.config, 96, published(model.config, 96)["ntk"])
    checkpoints.save(model, tmp_path / "searched", Tokenizer(base))
    return tmp_path / "searched"


def run(
    base: Path, documents: LongDocuments, into: Path, settings: ExtendSettings = SMALL, **more: Any
) -> dict[str, Any]:
    return extend(base, documents, more.get("short"), settings, seed=1, into=into, progress=Progress())


def test_it_learns_at_both_lengths_and_saves_both_factors(
    searched: Path, documents: LongDocuments, tmp_path: Path
) -> None:
    figures = run(searched, documents, tmp_path / "out")
    assert figures["loss_last"] < figures["loss_first"]
    assert figures["tokens"] == pytest.approx(6_000, rel=0.1)
    model = checkpoint.load(tmp_path / "out" / "model")
    before = checkpoints.load(searched).config.longrope
    assert before is not None and model.config.longrope is not None
    assert model.config.longrope.long == before.long
    assert list(model.config.longrope.short) == figures["recovery"]["factors"]
    assert figures["recovery"]["loss"] <= figures["recovery"]["unchanged"]
    logged = columns(tmp_path / "out")
    assert {"loss", "long", "short"} <= set(logged)
    assert len(logged["loss"]) == figures["steps"]


@pytest.mark.numerics
def test_the_recovery_is_measured_in_fp32_whatever_the_training_computed_in(
    searched: Path, documents: LongDocuments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = documents.rows(4)[:, :33]
    monkeypatch.setattr("hornbook.longrope.extend._sampled", lambda *arguments: rows)
    figures = run(searched, documents, tmp_path / "out", SMALL.model_copy(update={"precision": "bf16"}))
    assert figures["recovery"]["precision"] == "fp32"
    model = checkpoints.load(tmp_path / "out" / "model")
    assert mean_loss(model, model.config, rows, 1000) == pytest.approx(figures["recovery"]["loss"], abs=6e-5)


def test_stopped_and_started_again_it_ends_with_the_same_bytes(
    searched: Path, documents: LongDocuments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(searched, documents, tmp_path / "whole")
    steps = 0
    loss = LongAndShort.loss

    def dying(self: Any, model: Any, batch: Any) -> Any:
        nonlocal steps
        steps += 1
        if steps == 7:
            raise KeyboardInterrupt
        return loss(self, model, batch)

    monkeypatch.setattr(LongAndShort, "loss", dying)
    with pytest.raises(KeyboardInterrupt):
        run(searched, documents, tmp_path / "stopped")
    run(searched, documents, tmp_path / "stopped")
    for name in ("model/model.safetensors", "model/config.json"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "stopped" / name).read_bytes()
    assert columns(tmp_path / "whole") == columns(tmp_path / "stopped")


def test_rows_of_both_lengths_are_in_every_step_and_turn_by_their_own_factors(
    searched: Path, documents: LongDocuments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[tuple[int, ...]]] = []
    loss = LongAndShort.loss

    def watching(self: Any, model: Any, batch: Any) -> Any:
        seen.append({tuple(batch["long_ids"].shape), tuple(batch["short_ids"].shape)})
        return loss(self, model, batch)

    monkeypatch.setattr(LongAndShort, "loss", watching)
    short = ShortRows([np.full((8, 33), 5, dtype=np.uint16), np.full((8, 33), 6, dtype=np.uint16)], [0.5, 0.5])
    run(
        searched, documents, tmp_path / "out", SMALL.model_copy(update={"tokens": 1_000, "recovery": None}), short=short
    )
    assert seen and all(shapes == {(2, 96), (6, 32)} for shapes in seen)
    model = checkpoints.load(searched)
    without = checkpoints.load(searched)
    without.config = without.config.model_copy(update={"longrope": None, "context": 32})
    ids = documents.rows(1)
    with torch.inference_mode():
        torch.testing.assert_close(model(ids[:, :32]), without(ids[:, :32]))
        assert not torch.allclose(model(ids[:, :33]), without(ids[:, :33]), atol=1e-3)


def test_what_is_frozen_stays(searched: Path, documents: LongDocuments, tmp_path: Path) -> None:
    settings = SMALL.model_copy(update={"freeze": ("embed_tokens",), "recovery": None, "tokens": 1_000})
    run(searched, documents, tmp_path / "out", settings)
    before, after = (checkpoint.load(folder).state_dict() for folder in (searched, tmp_path / "out" / "model"))
    assert {name for name in before if torch.equal(before[name], after[name])} == {"embed.weight", "lm_head.weight"}


def test_a_model_without_factors_is_sent_to_the_search(base: Path, documents: LongDocuments, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="hornbook longrope search"):
        run(base, documents, tmp_path / "out")


def test_too_little_text_is_said(searched: Path, documents: LongDocuments, tmp_path: Path) -> None:
    little = LongDocuments(96, documents.train[:1], [])
    settings = SMALL.model_copy(update={"batch": 64, "retrieval_share": 0.0})
    with pytest.raises(UserError, match="do not fill one batch of 64"):
        run(searched, little, tmp_path / "out", settings)
