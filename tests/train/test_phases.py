"""Phases with batches, rates and schedules of their own; which weights a phase ends with; dropout; what is recomputed."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tests.train.test_resume import StopAfter, Stopped, files
from torch.utils.flop_counter import FlopCounterMode

from hornbook.errors import UnfinishedError, UserError
from hornbook.model.config import ModelConfig
from hornbook.progress import Progress
from hornbook.tokens import shards
from hornbook.train import state
from hornbook.train.figures import columns, validations
from hornbook.train.optimizers import scheduled
from hornbook.train.parallel import prepare_blocks
from hornbook.train.pretrain import PRETRAIN, PretrainSettings, PretrainStageSettings, pretrain
from hornbook.train.settings import TrainSettings

SHAPE = ModelConfig(vocabulary=380, layers=2, width=32, heads=2, mlp_width=64, context=64)
COMMON: dict[str, Any] = {"batch": 4, "compile": False, "precision": "fp32", "checkpoint_seconds": 0}


@pytest.fixture
def held_out(tokens_folder: Path, tmp_path: Path) -> Path:
    """The tokens stage's folder, with validation."""
    folder = tmp_path / "tokens"
    folder.mkdir()
    for name in ("tokenizer", "shards"):
        (folder / name).symlink_to((tokens_folder / name).resolve())
    shards.write(folder / "validation", "b", np.random.default_rng(8).integers(6, 380, (5, 65)), 380)
    return folder


def run(tokens: Path, into: Path, phase2: dict[str, Any], progress: Progress | None = None, **more: Any) -> Any:
    phases = {
        "phase1": {"tokens": 6 * 256, "mixture": [{"sources": ["a"], "share": 1.0}]},
        "phase2": {"tokens": 8 * 128, "mixture": [{"sources": ["b"], "share": 1.0}], "batch": 2} | phase2,
    }
    settings = PretrainSettings(**(COMMON | phases | more))
    return pretrain(tokens, SHAPE, settings, seed=1, into=into, progress=progress or Progress())


@pytest.mark.parametrize("keep", ["best", "average"])
def test_a_phase_by_itself_goes_on_exactly(keep: str, held_out: Path, tmp_path: Path) -> None:
    phase2 = {"schedule": "linear", "warmup": 0.25, "learning_rate": 1e-4, "candidates": 4, "keep": keep}
    dropped = {"attention": 0.1, "residual": 0.2, "embedding": 0.1}
    figures = run(held_out, tmp_path / "whole", phase2, dropout=dropped)
    assert figures["steps"] == {"phase1": 6, "phase2": 8}
    rates = columns(tmp_path / "whole")["rate"]
    assert rates[6:8] == [0.5, 1.0]
    assert rates[8:] == sorted(rates[8:], reverse=True)
    assert rates[5] < 0.5, "the first phase has its fall to itself"
    with pytest.raises(Stopped):
        run(held_out, tmp_path / "stopped", phase2, StopAfter(9), dropout=dropped)
    run(held_out, tmp_path / "stopped", phase2, dropout=dropped)
    assert files(tmp_path / "stopped") == files(tmp_path / "whole")


def test_the_best_and_the_average_are_what_they_are_called(held_out: Path, tmp_path: Path) -> None:
    """The same eight steps each time: their candidates are the last weights of shorter phases."""
    constant = {"schedule": "constant", "warmup": 0.0, "learning_rate": 3e-3}
    steps = (4, 8)
    lasting = [run(held_out, tmp_path / f"{n}", constant | {"tokens": n * 128}) and n for n in steps]
    weights = [load_file(tmp_path / f"{n}" / "phase2" / "model.safetensors") for n in lasting]
    chosen = constant | {"candidates": 2}
    run(held_out, tmp_path / "average", chosen | {"keep": "average"})
    for name, made in load_file(tmp_path / "average" / "phase2" / "model.safetensors").items():
        mean = (weights[0][name].double() + weights[1][name].double()) / 2
        torch.testing.assert_close(made.double(), mean, rtol=0, atol=1e-7)
    figures = run(held_out, tmp_path / "best", chosen | {"keep": "best"})
    losses = figures["candidates"]["phase2"]
    assert losses.keys() == {"4", "8"}
    best = weights[0 if losses["4"] < losses["8"] else 1]
    for name, made in load_file(tmp_path / "best" / "phase2" / "model.safetensors").items():
        assert torch.equal(made, best[name])


def test_a_phase_is_measured_on_its_sources_whatever_they_are_called(held_out: Path, tmp_path: Path) -> None:
    shards.write(held_out / "validation", "hf/b.md", np.random.default_rng(8).integers(6, 380, (5, 65)), 380)
    chosen = {"candidates": 2, "keep": "best"}
    plain = run(held_out, tmp_path / "plain", chosen)
    named = run(held_out, tmp_path / "named", chosen | {"mixture": [{"sources": ["hf/b.md"], "share": 1.0}]})
    assert named["candidates"] == plain["candidates"]


def test_what_is_only_watched_is_no_candidate(held_out: Path, tmp_path: Path) -> None:
    """Measured at every step, of which the first is the best, a phase still ends with one of its two candidates."""
    shards.write(held_out / "validation", "a", np.random.default_rng(9).integers(6, 380, (5, 65)), 380)
    steep = {"schedule": "constant", "warmup": 0.0, "learning_rate": 0.1, "candidates": 2, "keep": "best"}
    plain = run(held_out, tmp_path / "plain", steep)["candidates"]["phase2"]
    watched = run(held_out, tmp_path / "watched", steep, validate_every=1)["candidates"]["phase2"]
    losses = validations(tmp_path / "watched")["validation_loss"]
    assert len(losses) == 14 and min(losses[6:]) < min(plain.values())
    assert plain == watched and plain.keys() == {"4", "8"}
    one, other = (load_file(tmp_path / name / "phase2" / "model.safetensors") for name in ("plain", "watched"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_without_settings_of_their_own_one_schedule_covers_both(held_out: Path, tmp_path: Path) -> None:
    run(held_out, tmp_path / "one", {"learning_rate": 1e-4}, warmup=0.2, decay=0.5)
    rates = columns(tmp_path / "one")["rate"]
    settings = TrainSettings(warmup=0.2, decay=0.5)
    assert rates == [scheduled(settings, step, 14) for step in range(14)]


@pytest.mark.parametrize("own", [{}, {"schedule": "linear", "warmup": 0.25}])
def test_without_phase_1_there_is_phase_2_alone(own: dict[str, Any], held_out: Path, tmp_path: Path) -> None:
    """Its mixture counts for nothing then; the schedule is phase 2's, and the run goes on where it was stopped."""
    for phase1 in ({}, {"tokens": 0, "mixture": [{"sources": ["a"], "share": 1.0}], "schedule": "constant"}):
        into = tmp_path / str(len(phase1))
        with pytest.raises(Stopped):
            run(held_out, into, own, StopAfter(3), phase1=phase1)
        figures = run(held_out, into, own, phase1=phase1, validate_every=4)
        assert figures["steps"].keys() == figures["loss"].keys() == figures["mixture"].keys() == {"phase2"}
        assert not (into / "phase1").exists() and (into / "phase2" / "model.safetensors").is_file()
        rates = columns(into)["rate"]
        assert rates == [scheduled(TrainSettings(**own), step, 8) for step in range(8)]
    one, other = (load_file(tmp_path / name / "phase2" / "model.safetensors") for name in "03")
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_what_a_recipe_without_phase_1_leaves() -> None:
    phase = {"tokens": 1_000, "mixture": [{"sources": ["a"], "share": 1.0}]}
    for phases, titles in (
        ({"phase2": phase}, {"phase2": "pretraining"}),
        ({"phase1": phase, "phase2": phase}, {"phase1": "phase 1", "phase2": "phase 2"}),
    ):
        settings = PretrainStageSettings(pretrain=PretrainSettings(**phases))
        assert {one.name: one.title for one in PRETRAIN.left(settings)} == titles
    with pytest.raises(ValueError, match="needs a mixture"):
        PretrainSettings(phase1={"tokens": 5}, phase2=phase)
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        PretrainSettings(phase2=phase | {"tokens": 0})


def test_what_is_wrong_is_told(held_out: Path, tokens_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="set both"):
        run(held_out, tmp_path / "x", {"candidates": 3})
    with pytest.raises(UserError, match="phase2: nothing was held out of its sources"):
        run(tokens_folder, tmp_path / "y", {"candidates": 2, "keep": "best"})


def test_schedules_by_hand() -> None:
    def rates(**settings: Any) -> list[float]:
        return [round(scheduled(TrainSettings(**settings), step, 8), 4) for step in range(8)]

    assert rates(schedule="constant", warmup=0.25) == [0.5, 1, 1, 1, 1, 1, 1, 1]
    assert rates(schedule="linear", warmup=0.25) == [0.5, 1, 0.8571, 0.7143, 0.5714, 0.4286, 0.2857, 0.1429]
    assert rates(schedule="cosine", warmup=0) == [1.0, 0.9619, 0.8536, 0.6913, 0.5, 0.3087, 0.1464, 0.0381]
    assert rates(schedule="cosine", warmup=0.5, final_rate=0.1)[:4] == [0.25, 0.5, 0.75, 1.0]
    assert rates(schedule="cosine", warmup=0.5, final_rate=0.1)[-1] == pytest.approx(0.1 + 0.9 * 0.0955, abs=1e-4)
    assert rates(decay=0.5, warmup=0, final_rate=0.5)[-1] == 0.6


def test_dropout_leaves_out_its_share_and_nothing_when_asked(make_model: Callable[..., Any]) -> None:
    model, ids = make_model(seed=1), torch.arange(48).view(1, 48)
    sure = model(ids)
    model.drop(residual=0.3, mlp=0.3, embedding=0.1, attention=0.2)
    assert torch.equal(model(ids), sure)
    model.train()
    torch.manual_seed(1)
    one = model(ids)
    assert not torch.equal(one, sure)
    torch.manual_seed(1)
    assert torch.equal(model(ids), one)
    zeros = (model.blocks[0]._drop(torch.ones(10_000), 0.3) == 0).float().mean()
    assert zeros.item() == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize("dropped", [0.0, 0.2])
def test_what_is_computed_again_changes_no_gradient(dropped: float, make_model: Callable[..., Any]) -> None:
    ids = torch.arange(60).view(2, 30)
    gradients, work = {}, {}
    for mode in ("none", "selective", "full"):
        model = make_model(seed=1).train()
        model.drop(residual=dropped, mlp=dropped)
        prepare_blocks(model, mode, compiled=False)
        torch.manual_seed(3)
        with FlopCounterMode(display=False) as counted:
            model(ids).square().mean().backward()
        gradients[mode], work[mode] = [p.grad for p in model.parameters()], counted.get_total_flops()
    for mode in ("selective", "full"):
        assert all(torch.equal(one, other) for one, other in zip(gradients[mode], gradients["none"], strict=True))
    assert work["selective"] == work["none"], "products are kept"
    assert work["full"] > 1.2 * work["none"]


def test_a_divergence_names_what_was_good_before_it(
    held_out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A state is known to be good when a step went on from it: one that is stored right before the fall is not told."""
    steep = {"schedule": "constant", "warmup": 0.0, "learning_rate": 1e18}
    into = tmp_path / "steep"
    before = f"lower the learning rate; the last checkpoint before it is {into / 'phase1'}"
    with pytest.raises(UnfinishedError, match=f"the loss of step 8 is nan: .*{re.escape(before)}$"):
        run(held_out, into, steep, optimizer="adamw")
    due = iter([False, False, True])
    monkeypatch.setattr(state.Pace, "due", property(lambda pace: next(due, False)))
    into = tmp_path / "seldom"
    good = f"the last good state, after step 3, lies in {into / 'scratch'}"
    with pytest.raises(UnfinishedError, match=re.escape(good) + "$"):
        run(held_out, into, steep, optimizer="adamw")
    due = iter([])
    everywhere = {"learning_rate": 1e18, "warmup": 0.0, "optimizer": "adamw"}
    with pytest.raises(
        UserError, match=r"the loss of step 2 is nan: .*; no checkpoint was stored before it$"
    ) as caught:
        run(held_out, tmp_path / "first", {}, **everywhere)
    assert not isinstance(caught.value, UnfinishedError)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_the_greatest_rate_that_is_taken_ends_in_a_line(optimizer: str, held_out: Path, tmp_path: Path) -> None:
    rates = {"learning_rate": 1e30, "muon_learning_rate": 1e30, "warmup": 0.0, "optimizer": optimizer}
    with pytest.raises(UserError, match="training has diverged; lower the learning rate"):
        run(held_out, tmp_path / "out", {}, **rates)
    with pytest.raises(ValueError, match=r"less than or equal to 10{30}"):
        run(held_out, tmp_path / "out", {}, **rates | {"learning_rate": 1.1e30})
