"""Scales that are tuned: the original's predictions come nearer, and nothing but scales has changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hornbook.model.formats import checkpoint
from hornbook.progress import Progress
from hornbook.quantize import tuning
from hornbook.quantize.quality import compare, told
from hornbook.quantize.quantize import QuantizeSettings, Rows, quantize
from hornbook.quantize.tuning import STEP_TOKENS, tune

EXPERTS = {"norm": "layer", "experts": {"count": 4, "jitter": 0.01}, "tied_embeddings": False}


def rows(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 380, (count, 64))


def shrunk(source: Path, into: Path, **settings: Any) -> dict[str, Any]:
    return quantize(
        source, Rows(rows(1, 32), rows(2, 16)), QuantizeSettings(**settings), into=into, progress=Progress()
    )


@pytest.mark.numerics
@pytest.mark.parametrize("shape", [{}, EXPERTS, {"tied_embeddings": False}], ids=str)
@pytest.mark.parametrize("symmetric", [True, False])
def test_it_predicts_what_the_original_predicts(
    shape: dict[str, Any], symmetric: bool, make_checkpoint: Any, tmp_path: Path
) -> None:
    source = make_checkpoint(seed=2, initial_std=0.1, **shape)[1]
    plain = shrunk(source, tmp_path / "plain", symmetric=symmetric, method="rtn")
    tuned = shrunk(source, tmp_path / "tuned", symmetric=symmetric, method="rtn", tune_epochs=8, tune_rate=3e-3)
    assert (plain["tuned_steps"], tuned["tuned_steps"]) == (0, 8 * 2)
    assert tuned["quality"]["kl"] < 0.97 * plain["quality"]["kl"], "on rows that it has not read"
    before, after = (checkpoint.load(tmp_path / name / "model").state_dict() for name in ("plain", "tuned"))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if name.startswith("blocks.") and name.endswith("weight_scale")}


def test_its_figure_is_that_of_the_model_it_writes(make_checkpoint: Any, tmp_path: Path) -> None:
    source = make_checkpoint(seed=3, initial_std=0.1)[1]
    figures = shrunk(source, tmp_path, tune_epochs=1)
    models = (
        checkpoint.load(source, compute=torch.float32),
        checkpoint.load(tmp_path / "model", compute=torch.float32),
    )
    assert told(compare(*models, rows(2, 16))) == figures["quality"]


def test_steps_of_about_as_many_tokens_whatever_the_rows() -> None:
    made = tuning._batches(np.arange(10 * 300).reshape(10, 300), 2, seed=1)
    assert [len(batch) for batch in made] == [3, 3, 3, 1] * 2
    assert sorted(torch.cat(made[:4])[:, 0].tolist()) == [*range(0, 3000, 300)]
    assert not torch.equal(made[0], made[4])
    assert len(tuning._batches(np.zeros((2, 2 * STEP_TOKENS), dtype=np.int64), 1, seed=1)) == 2


def test_where_the_rate_is_nothing_nothing_changes(make_checkpoint: Any, tmp_path: Path) -> None:
    source = make_checkpoint(seed=4, initial_std=0.1)[1]
    shrunk(source, tmp_path, calibration_rows=0)
    model = checkpoint.load(tmp_path / "model", compute=torch.float32)
    before = {name: one.clone() for name, one in model.state_dict().items()}
    assert tune(model, checkpoint.load(source), rows(1, 4), epochs=1, rate=1e-30, seed=1, progress=Progress()) == 1
    assert all(torch.equal(one, before[name]) for name, one in model.state_dict().items())
    assert model.compute == torch.float32
