from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from hornbook.longrope import checkpoints
from hornbook.longrope.documents import LongDocuments, long_documents, of_files
from hornbook.longrope.factors import Factors, extended
from hornbook.longrope.measure import METHODS, Checkpoints, _lengths, measure
from hornbook.longrope.settings import MeasureSettings
from hornbook.model.tokenizers import Tokenizer
from hornbook.progress import Progress

SETTINGS = MeasureSettings(documents=3, passkeys=1, depths=(0.0, 100.0))


@pytest.fixture
def documents(base: Path, texts: Path) -> LongDocuments:
    return long_documents(of_files(texts, held_out=0.4, seed=1), Tokenizer(base), 128, seed=1)


def saved(base: Path, folder: Path, factors: Factors, shift: float = 0.0) -> Path:
    model = checkpoints.load(base)
    model.config = extended(model.config, 128, factors)
    with torch.no_grad():
        model.embed.weight.mul_(1 + shift)
    checkpoints.save(model, folder, Tokenizer(base))
    return folder


@pytest.mark.numerics
def test_every_method_is_measured_on_the_same_tokens(base: Path, documents: LongDocuments, tmp_path: Path) -> None:
    found = saved(base, tmp_path / "searched", Factors((2.0,) * 8))
    folders = Checkpoints(base, found, saved(base, tmp_path / "trained", Factors((2.0,) * 8), 0.5))
    figures = measure(folders, documents, None, SETTINGS, seed=1, into=tmp_path, progress=Progress())
    assert figures["precision"] == "fp32"
    assert figures["lengths"] == [32, 64, 128]
    assert list(figures["perplexity"]) == list(METHODS)
    curves = figures["perplexity"]
    for name in METHODS:
        assert [point["length"] for point in curves[name]] == [32, 64, 128]
        assert all(point["low"] <= point["perplexity"] <= point["high"] for point in curves[name])
        # At the longest length the first window is all there is.
        assert curves[name][-1]["beginning"] == curves[name][-1]["perplexity"]
    # Up to the original context nothing but training changes anything.
    at_once = {name: curves[name][0]["perplexity"] for name in METHODS}
    assert len({at_once[name] for name in METHODS[:5]}) == 1 != at_once["extended"]
    assert len({curves[name][2]["perplexity"] for name in METHODS}) == 6
    gains = figures["search_gains"]["none"]
    assert gains["low"] <= gains["gain"] <= gains["high"]
    ratio = curves["none"][2]["perplexity"] / curves["search"][2]["perplexity"]
    assert gains["gain"] == pytest.approx(math.log(ratio), abs=1e-3)
    # The figure is what a plain loop over the documents gives.
    model = checkpoints.load(base)
    rows = documents.rows(3, held_out=True)
    losses = []
    for row in rows:
        for start in range(0, 128, 32):
            logits = model(row[None, start : start + 32])[0].log_softmax(-1)
            losses.append(-logits[torch.arange(32), row[start + 1 : start + 33]].mean().item())
    assert at_once["none"] == pytest.approx(math.exp(sum(losses) / len(losses)), abs=2e-3)
    assert set(figures["passkeys"]) == {"none", "extended"}
    assert [(cell["length"], cell["depth"]) for cell in figures["passkeys"]["extended"]] == [
        (length, depth) for length in (64, 128) for depth in (0.0, 100.0)
    ]


def test_lengths_double_up_to_the_longer_context() -> None:
    assert _lengths(128, 1024) == [128, 256, 512, 1024]
    assert _lengths(128, 1000) == [128, 256, 512, 1000]
    assert _lengths(100, 150) == [100, 150]
