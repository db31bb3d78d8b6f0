from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hornbook import machine
from hornbook.evaluate.samples import SamplesSettings, samples
from hornbook.evaluate.validation import validation_loss
from hornbook.files import read_json
from hornbook.model.formats import checkpoint
from hornbook.model.tokenizers import Tokenizer
from hornbook.progress import Progress
from hornbook.tokens import shards


def test_samples_and_losses(make_checkpoint: Callable[..., tuple[Any, Path]], tmp_path: Path) -> None:
    _, folder = make_checkpoint(1)
    validation = tmp_path / "validation"
    table = np.random.default_rng(1).integers(10, 370, (4, 33))
    shards.write(validation, "tales", table, 380, documents=4, tokens=table.size)
    settings = SamplesSettings(prompts=("def add", "class"), each=2, new_tokens=9)

    def go(into: Path) -> dict[str, Any]:
        return samples({"phase1": folder}, validation, settings, seed=1, into=into, progress=Progress())

    figures = go(tmp_path / "a")
    assert figures["samples"] == 4
    assert figures["validation_loss"]["phase1"]["tales"] > 0
    written = read_json(tmp_path / "a" / "phase1.json")["samples"]
    assert [one["prompt"] for one in written] == ["def add", "def add", "class", "class"]
    assert written[0]["text"] != written[1]["text"]
    assert go(tmp_path / "b") == figures
    assert read_json(tmp_path / "b" / "phase1.json")["samples"] == written


def test_openings_from_held_out_text(make_checkpoint: Callable[..., tuple[Any, Path]], tmp_path: Path) -> None:
    """Evenly over rows and sources, without what ends or fills a row; perplexity is e to the loss."""
    _, folder = make_checkpoint(1)
    tokenizer = Tokenizer(folder)
    drawn = np.random.default_rng(1).integers(10, 370, (9, 33))
    drawn[:, 7] = tokenizer.end_of_text
    for name, table in (("tales", drawn), ("hf/letters", drawn[:2, ::-1])):
        shards.write(tmp_path / "validation", name, table, 380, documents=4, tokens=table.size)
    settings = SamplesSettings(held_out=5, each=1, new_tokens=4)
    figures = samples(
        {"phase1": folder}, tmp_path / "validation", settings, seed=1, into=tmp_path / "a", progress=Progress()
    )
    prompts = [one["prompt"] for one in read_json(tmp_path / "a" / "phase1.json")["samples"]]
    tales = [tokenizer.decode(drawn[row][:7].tolist()) for row in (0, 4)]
    letters = [tokenizer.decode(drawn[row][::-1][:16].tolist()) for row in (0, 1)]
    assert prompts == letters + tales
    assert figures["samples"] == 4  # one source has two rows, not three
    loss = figures["validation_loss"]["phase1"]["tales"]
    assert figures["perplexity"]["phase1"]["tales"] == round(float(np.exp(loss)), 2)


@pytest.mark.numerics
def test_what_is_measured_follows_from_the_settings_alone(
    make_model: Callable[..., Any], tokenizer_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not from whether the processor has bf16, nor from the dtype that weights are stored in."""
    folder = tmp_path / "stored in bf16"
    checkpoint.save(make_model(1).to(torch.bfloat16), folder, Tokenizer(tokenizer_folder))
    table = np.random.default_rng(1).integers(10, 370, (4, 33))
    shards.write(tmp_path / "validation", "tales", table, 380, documents=4, tokens=table.size)

    def go(name: str, **settings: Any) -> dict[str, Any]:
        chosen = SamplesSettings(prompts=("def add",), each=1, new_tokens=9, **settings)
        models, into = {"model": folder}, tmp_path / name
        return samples(models, tmp_path / "validation", chosen, seed=1, into=into, progress=Progress())

    found = {}
    for native in ("0", "1"):
        monkeypatch.setenv(machine.BF16, native)
        found[native] = go(native)
    assert found["0"] == found["1"]
    assert found["0"]["precision"] == "fp32"
    exact = validation_loss(checkpoint.load(folder, dtype=torch.float64), tmp_path / "validation", pad=5)
    assert found["0"]["validation_loss"]["model"]["tales"] == pytest.approx(exact["tales"], abs=1e-5)
    told = go("told", precision="bf16")
    assert told["precision"] == "bf16"
    assert told["validation_loss"] != found["0"]["validation_loss"]
