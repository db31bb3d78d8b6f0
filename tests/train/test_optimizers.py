from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hornbook.train.muon import Muon
from hornbook.train.optimizers import build, set_learning_rate, warmup_stable_decay
from hornbook.train.settings import TrainSettings


@given(st.integers(1, 3000), st.floats(0, 0.99), st.floats(0, 1))
def test_the_rate_rises_holds_and_falls(steps: int, warmup: float, decay: float) -> None:
    rates = [warmup_stable_decay(step, steps, warmup, decay) for step in range(steps)]
    assert all(0 < one <= 1 for one in rates)
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    fall = max(1, round(steps * decay)) if decay else 0
    assert rates[-1] <= (1 / (fall + 1) if fall else 1) + 1e-12


def test_rates_by_hand() -> None:
    assert [warmup_stable_decay(step, 10, 0.2, 0.3) for step in range(10)] == [0.5, 1, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25]
    assert [warmup_stable_decay(step, 4, 0, 0) for step in range(4)] == [1, 1, 1, 1]
    assert [warmup_stable_decay(step, 3, 0, 1) for step in range(3)] == [0.75, 0.5, 0.25]
    assert warmup_stable_decay(0, 1, 0.5, 1) == 0.5
    assert warmup_stable_decay(999, 1000, 0.05, 0.4) < 0.003
    assert warmup_stable_decay(1005, 1000, 0.05, 0.4) == 0.0, "past the end it is 0, never below"


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_every_weight_has_one_optimiser(tied: bool, optimizer: Any, make_model: Callable[..., Any]) -> None:
    model = make_model(tied_embeddings=tied, heads=8, kv_heads=2)
    built = build(model, TrainSettings(optimizer=optimizer, weight_decay=0.3), torch.float32)
    groups = [(one, group, p) for one in built for group in one.param_groups for p in group["params"]]
    assert sorted(id(p) for _, _, p in groups) == sorted(id(p) for p in model.parameters())
    matrices = {id(p) for p in model.blocks.parameters() if p.ndim == 2}
    for one, group, parameter in groups:
        hidden = id(parameter) in matrices
        assert isinstance(one, Muon) == (hidden and optimizer == "muon")
        assert group["weight_decay"] == (0.3 if hidden else 0.0)
    if optimizer == "muon":
        parts = dict(zip((id(p) for p in built[0].param_groups[0]["params"]), built[0]._parts, strict=True))
        assert parts[id(model.blocks[0].attention.qkv.weight)] == [64, 16, 16]
        assert parts[id(model.blocks[1].mlp.gate_up.weight)] == [96, 96]
        assert parts[id(model.blocks[1].mlp.down.weight)] == [64]


def test_set_rate_starts_from_the_peak(make_model: Callable[..., Any]) -> None:
    settings = TrainSettings(learning_rate=0.004, muon_learning_rate=0.03)
    built = build(make_model(), settings, torch.float32)
    for multiplier in (0.5, 0.1):
        set_learning_rate(built, multiplier)
        rates = [group["lr"] for one in built for group in one.param_groups]
        assert rates == [0.03 * multiplier, 0.004 * multiplier]


def test_adamw_forgets_as_it_is_told(make_model: Callable[..., Any]) -> None:
    settings = TrainSettings(optimizer="adamw", betas=(0.9, 0.98), epsilon=1e-7)
    (adamw,) = build(make_model(), settings, torch.float32)
    assert {(group["betas"], group["eps"]) for group in adamw.param_groups} == {((0.9, 0.98), 1e-7)}
    usual = build(make_model(), TrainSettings(), torch.float32)[-1]
    assert {(group["betas"], group["eps"]) for group in usual.param_groups} == {((0.9, 0.95), 1e-8)}


def test_muon_forgets_as_it_is_told(make_model: Callable[..., Any]) -> None:
    assert build(make_model(), TrainSettings(), torch.float32)[0].param_groups[0]["momentum"] == 0.95
    built = build(make_model(), TrainSettings(muon_momentum=0.8), torch.float32)
    assert [group["momentum"] for group in built[0].param_groups] == [0.8]
