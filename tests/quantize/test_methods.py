from __future__ import annotations

from typing import get_args

import pytest
import torch

from hornbook.model.formats.four_bit import GROUP, dense, pack
from hornbook.quantize.methods import METHODS, best_scales, gptq, round_to, rtn
from hornbook.quantize.quantize import QuantizeSettings


def random(shape: tuple[int, ...], seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def correlated(count: int, columns: int, seed: int) -> torch.Tensor:
    """Inputs that mostly lie in a few directions, as a model's activations do."""
    return random((count, 6), seed) @ random((6, columns), seed + 1) + 0.3 * random((count, columns), seed + 2)


def error_of(group: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    return (round_to(group, scales) * scales[:, None] - group).square().sum(-1)


@pytest.mark.parametrize("kind", ["normal", "heavy tails", "both ends", "one-sided"])
def test_best_scales_beat_the_largest_weights_scale(kind: str) -> None:
    group = random((200, GROUP), 1)
    if kind == "heavy tails":
        group = group**3
    if kind == "both ends":
        group[:, 0], group[:, 1] = 4.0, -4.0
    if kind == "one-sided":
        group = group.abs()
    best = error_of(group, best_scales(group))
    for level in (7.0, 8.0, -8.0):
        plain = (group.abs().amax(-1) / level).half().double()
        assert (best <= error_of(group, plain) + 1e-12).all()
    plain = (group.abs().amax(-1) / 7).half().double()
    assert best.mean() < 0.97 * error_of(group, plain).mean()


@pytest.mark.parametrize("largest", range(1, 9))
@pytest.mark.parametrize("with_inputs", [True, False])
def test_what_four_bits_can_say_is_kept_exactly(largest: int, with_inputs: bool) -> None:
    levels = torch.randint(-largest, min(largest, 7) + 1, (10, 64), generator=torch.Generator().manual_seed(largest))
    levels[:, 0] = levels[:, 32] = -largest
    scales = (random((10, 2), 3).abs() / 10 + 0.01).half()
    weight = (levels.double().unflatten(1, (2, GROUP)) * scales.double()[..., None]).flatten(1)
    inputs = correlated(100, 64, 4)
    found, found_scales = gptq(weight, inputs.mT @ inputs if with_inputs else None)
    assert torch.equal(dense(pack(found), found_scales, torch.float64), weight)


@pytest.mark.parametrize("shape", [(24, 96), (64, 32), (1, 128)])
@pytest.mark.parametrize("seed", [1, 20, 300])
def test_inputs_make_products_change_less(shape: tuple[int, int], seed: int) -> None:
    weight, inputs = random(shape, seed).float(), correlated(500, shape[1], seed)
    errors = []
    for gram in (inputs.mT @ inputs, None):
        levels, scales = gptq(weight, gram)
        assert levels.min() >= -8
        assert levels.max() <= 7
        stored = dense(pack(levels), scales, torch.float64)
        errors.append((inputs @ (stored - weight.double()).mT).square().sum().item())
    weighed, nearest = errors
    assert weighed < (0.8 if shape[1] > GROUP else 1.0) * nearest


def test_without_inputs_it_is_rounding_to_the_nearest() -> None:
    weight = random((12, 64), 5)
    levels, scales = rtn(weight)
    for start in (0, GROUP):
        group = weight[:, start : start + GROUP]
        assert torch.equal(scales[:, start // GROUP].double(), best_scales(group))
        assert torch.equal(levels[:, start : start + GROUP], round_to(group, best_scales(group)))


@pytest.mark.parametrize("with_inputs", [True, False])
def test_groups_of_zeros(with_inputs: bool) -> None:
    weight = random((4, 96), 6)
    weight[:, 32:64] = 0
    weight[2] = 0
    inputs = correlated(50, 96, 7) if with_inputs else None
    levels, scales = gptq(weight, inputs.mT @ inputs if inputs is not None else None)
    stored = dense(pack(levels), scales, torch.float64)
    assert stored.isfinite().all()
    assert not stored[2].any()
    assert not gptq(torch.zeros(2, 32))[0].any()
    if not with_inputs:
        assert not stored[:, 32:64].any()


def test_inputs_that_are_all_zero_or_too_few() -> None:
    """A Gram matrix that cannot be inverted is damped."""
    weight = random((4, 64), 8)
    one = random((1, 64), 9)
    for gram in (torch.zeros(64, 64, dtype=torch.float64), one.mT @ one):
        levels, scales = gptq(weight, gram)
        assert dense(pack(levels), scales, torch.float64).sub(weight).abs().max() < 1


def test_scale_of_zero_means_level_zero() -> None:
    assert not round_to(torch.full((2, 4), 3.0), torch.zeros(2)).any()


def test_the_settings_name_every_method() -> None:
    assert set(METHODS) == set(get_args(QuantizeSettings.model_fields["method"].annotation))
    weight = random((12, 64), 5)
    inputs = correlated(50, 64, 7)
    for one, other in zip(rtn(weight, inputs.mT @ inputs), gptq(weight), strict=True):
        assert torch.equal(one, other), "without inputs to weigh errors by, there is one way to round"
