from __future__ import annotations

from typing import get_args

import pytest
import torch

from hornbook.model.formats.quantization import Quantization
from hornbook.quantize.grids import Rounded, grid, nearest
from hornbook.quantize.methods import METHODS, gptq, rtn
from hornbook.quantize.quantize import QuantizeSettings

FOUR, ASYMMETRIC = Quantization(4), Quantization(4, symmetric=False)
FORMS = [FOUR, ASYMMETRIC, Quantization(4, 64), Quantization(8, 32), Quantization(8, 64, symmetric=False)]


def random(shape: tuple[int, ...], seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def correlated(count: int, columns: int, seed: int) -> torch.Tensor:
    """Inputs that mostly lie in a few directions, as a model's activations do."""
    return random((count, 6), seed) @ random((6, columns), seed + 1) + 0.3 * random((count, columns), seed + 2)


def error_of(weight: torch.Tensor, scales: torch.Tensor, form: Quantization) -> torch.Tensor:
    zeros = torch.zeros_like(scales)
    return (nearest(weight, scales, zeros, form) * scales - weight).square().sum(-1)


@pytest.mark.parametrize("kind", ["normal", "heavy tails", "both ends", "one-sided"])
def test_scales_beat_the_largest_weights_scale(kind: str) -> None:
    group = random((200, 32), 1)
    if kind == "heavy tails":
        group = group**3
    if kind == "both ends":
        group[:, 0], group[:, 1] = 4.0, -4.0
    if kind == "one-sided":
        group = group.abs()
    best = error_of(group, grid(group, FOUR)[0], FOUR)
    for level in (7.0, 8.0, -8.0):
        plain = (group.abs().amax(-1, keepdim=True) / level).half().double()
        assert (best <= error_of(group, plain, FOUR) + 1e-12).all()
    plain = (group.abs().amax(-1, keepdim=True) / 7).half().double()
    assert best.mean() < 0.97 * error_of(group, plain, FOUR).mean()


def test_zero_points_pay_where_weights_lie_to_one_side() -> None:
    weight = random((50, 64), 2).abs() + 0.5
    errors = [(rtn(weight, None, form).dense() - weight).square().mean() for form in (FOUR, ASYMMETRIC)]
    assert errors[1] < 0.75 * errors[0]
    weight = random((50, 64), 2)
    errors = [(rtn(weight, None, form).dense() - weight).square().mean() for form in (FOUR, ASYMMETRIC)]
    assert errors[1] <= errors[0]


def test_scales_are_weighed_by_what_columns_count() -> None:
    weight, counts = random((40, 32), 3), torch.ones(32, dtype=torch.float64)
    counts[:4] = 100.0
    for form in (FOUR, ASYMMETRIC):
        plain, weighed = (grid(weight, form, one) for one in (None, counts))

        def cost(found: tuple[torch.Tensor, torch.Tensor], form: Quantization = form) -> torch.Tensor:
            scales, zeros = found
            dense = (nearest(weight, scales, zeros, form) - zeros) * scales
            return ((dense - weight).square() * counts).sum(-1)

        assert (cost(weighed) <= cost(plain) + 1e-12).all()
        assert cost(weighed).mean() < 0.95 * cost(plain).mean()


@pytest.mark.parametrize("largest", range(1, 9))
@pytest.mark.parametrize("with_inputs", [True, False])
def test_what_four_bits_can_say_is_kept_exactly(largest: int, with_inputs: bool) -> None:
    levels = torch.randint(-largest, min(largest, 7) + 1, (10, 64), generator=torch.Generator().manual_seed(largest))
    levels[:, 0] = levels[:, 32] = -largest
    scales = (random((10, 2), 3).abs() / 10 + 0.01).half()
    weight = Rounded(levels, scales).dense()
    inputs = correlated(100, 64, 4)
    found = gptq(weight, inputs.mT @ inputs if with_inputs else None, FOUR)
    assert torch.equal(found.dense(), weight)


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("shape", [(24, 192), (64, 64), (1, 128)])
@pytest.mark.parametrize("seed", [1, 20, 300])
def test_inputs_make_products_change_less(shape: tuple[int, int], seed: int, form: Quantization) -> None:
    weight, inputs = random(shape, seed).float(), correlated(500, shape[1], seed)
    errors = []
    for gram in (inputs.mT @ inputs, None):
        made = gptq(weight, gram, form)
        least, most = form.levels
        assert least <= made.levels.min() <= made.levels.max() <= most
        assert (made.zero_points is None) == form.symmetric
        assert made.scales.dtype == torch.float16
        errors.append((inputs @ (made.dense() - weight.double()).mT).square().sum().item())
    weighed, by_nearest = errors
    assert weighed < 0.6 * by_nearest


def test_rounding_again_makes_products_change_less(monkeypatch: pytest.MonkeyPatch) -> None:
    weight, inputs = random((48, 192), 7), correlated(500, 192, 8)
    errors = []
    for sweeps in (0, 1, 3):
        monkeypatch.setattr("hornbook.quantize.methods.SWEEPS", sweeps)
        made = gptq(weight, inputs.mT @ inputs, FOUR)
        errors.append((inputs @ (made.dense() - weight).mT).square().sum().item())
    assert errors[0] > 1.1 * errors[1] > 1.1 * errors[2]


def test_without_inputs_it_is_rounding_to_the_nearest() -> None:
    weight = random((12, 64), 5)
    for form in (FOUR, ASYMMETRIC):
        made, (scales, zeros) = rtn(weight, None, form), grid(weight, form)
        assert torch.equal(made.scales.double(), scales)
        assert torch.equal(made.levels, nearest(weight, scales, zeros, form))


@pytest.mark.parametrize("form", [FOUR, ASYMMETRIC], ids=str)
@pytest.mark.parametrize("with_inputs", [True, False])
def test_groups_of_zeros(with_inputs: bool, form: Quantization) -> None:
    weight = random((4, 96), 6)
    weight[:, 32:64] = 0
    weight[2] = 0
    inputs = correlated(50, 96, 7) if with_inputs else None
    stored = gptq(weight, inputs.mT @ inputs if inputs is not None else None, form).dense()
    assert stored.isfinite().all()
    assert not stored[2].any()
    assert not gptq(torch.zeros(2, 32), None, form).dense().any()
    if not with_inputs:
        assert not stored[:, 32:64].any()


def test_inputs_that_are_all_zero_or_too_few() -> None:
    """A Gram matrix that cannot be inverted is damped."""
    weight = random((4, 64), 8)
    one = random((1, 64), 9)
    for gram in (torch.zeros(64, 64, dtype=torch.float64), one.mT @ one):
        assert gptq(weight, gram, FOUR).dense().sub(weight).abs().max() < 1


def test_the_settings_name_every_method() -> None:
    assert set(METHODS) == set(get_args(QuantizeSettings.model_fields["method"].annotation))
    weight = random((12, 64), 5)
    inputs = correlated(50, 64, 7)
    assert torch.equal(rtn(weight, inputs.mT @ inputs, FOUR).dense(), gptq(weight, None, FOUR).dense())
