"""Muon against numpy's singular values and against torch's own Muon."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from hornbook.train import muon
from hornbook.train.muon import Muon, _by_grams, _step_by_step, orthogonalise


def random(shape: tuple[int, ...], seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(3, 16, 16), (2, 8, 40), (2, 40, 8), (1, 1, 5), (1, 5, 1), (4, 64, 96)])
@pytest.mark.parametrize("size", [1.0, 1e-4, 1e4])
def test_orthogonalise_keeps_the_vectors_and_levels_the_values(shape: tuple[int, ...], size: float) -> None:
    matrices = random(shape, 1) * size
    matrices = matrices + matrices.norm() / 10 * torch.eye(*shape[1:]) if shape[1] == shape[2] else matrices
    for given, made in zip(matrices, orthogonalise(matrices), strict=True):
        u, values, v = np.linalg.svd(given.double().numpy(), full_matrices=False)
        core = u.T @ made.double().numpy() @ v.T  # diagonal where the singular vectors are the same
        significant = values > values.max() / 50
        assert np.all(np.abs(np.diag(core)[significant] - 0.95) <= 0.35), "0.6 .. 1.3, all positive"
        assert np.abs(core - np.diag(np.diag(core))).max() < 1e-3
        assert np.linalg.svd(made.double().numpy(), compute_uv=False).max() < 1.3


@pytest.mark.parametrize("shape", [(2, 64, 64), (2, 64, 192), (2, 192, 64), (1, 1, 8)])
@pytest.mark.parametrize("decades", [0.0, 1.0, 3.0])
def test_half_precision_stays_in_bounds(shape: tuple[int, ...], decades: float) -> None:
    u, values, v = torch.linalg.svd(random(shape, 8), full_matrices=False)
    values = values if decades == 0 else torch.logspace(0, -decades, values.shape[-1]).expand_as(values)
    made = orthogonalise((u * values[:, None] @ v).bfloat16()).double()
    exact = (u @ v).double()
    assert torch.linalg.svdvals(made).max() < 1.6
    assert (made * exact).sum() / made.norm() / exact.norm() > 0.85


def test_orthogonalise_treats_each_matrix_alone() -> None:
    matrices = random((3, 6, 9), 2)
    together = orthogonalise(matrices)
    for index in range(3):
        torch.testing.assert_close(together[index], orthogonalise(matrices[index : index + 1])[0])
    assert torch.equal(orthogonalise(torch.zeros(1, 4, 4)), torch.zeros(1, 4, 4))


def trained_by_ours_and_torchs(start: torch.Tensor, grads: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """What becomes of one matrix by our Muon and by torch's."""
    ours, theirs = (torch.nn.Parameter(start.clone()) for _ in range(2))
    options = {"lr": 0.02, "momentum": 0.95, "weight_decay": 0.1}
    optimizers = (
        Muon([ours], [[start.shape[0]]], **options),
        torch.optim.Muon([theirs], nesterov=True, adjust_lr_fn="original", **options),
    )
    for grad in grads:
        for parameter, optimizer in zip((ours, theirs), optimizers, strict=True):
            parameter.grad = grad.clone()
            optimizer.step()
    return ours, theirs


@pytest.mark.parametrize("shape", [(48, 32), (32, 48), (32, 32)])
def test_with_five_steps_it_equals_torchs_muon(shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    def five_steps(matrices: torch.Tensor) -> torch.Tensor:
        x = matrices / matrices.norm(dim=(-2, -1), keepdim=True)
        for _ in range(5):
            gram = x @ x.mT
            x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
        return x

    monkeypatch.setattr(muon, "orthogonalise", five_steps)
    start = random(shape, 3) / 10
    ours, theirs = trained_by_ours_and_torchs(start, [random(shape, 10 + step) for step in range(6)])
    moved = (theirs - start).norm()
    assert (ours - theirs).norm() < 0.02 * moved, "torch's iteration runs in bf16"
    assert moved > 0.1


@pytest.mark.parametrize("shape", [(48, 32), (32, 48), (32, 32), (24, 96)])
def test_it_is_as_near_to_what_it_approximates_as_torchs_muon(shape: tuple[int, int]) -> None:
    """Momentum after Nesterov, made orthogonal by its singular vectors in float64, beside ours and torch's of 5 steps."""
    start, grads = random(shape, 3) / 10, [random(shape, 10 + step) for step in range(6)]
    ours, theirs = trained_by_ours_and_torchs(start, grads)
    exact, velocity = start.double().numpy(), np.zeros(shape)
    for grad in grads:
        velocity = 0.95 * velocity + grad.double().numpy()
        u, _, v = np.linalg.svd(grad.double().numpy() + 0.95 * velocity, full_matrices=False)
        exact = exact * (1 - 0.02 * 0.1) - 0.02 * math.sqrt(max(1, shape[0] / shape[1])) * u @ v
    away = [np.linalg.norm(one.detach().double().numpy() - exact) for one in (ours, theirs)]
    assert away[0] < 1.1 * away[1]
    assert away[0] < 0.25 * np.linalg.norm(exact - start.double().numpy())


@pytest.mark.parametrize("decades", [0.0, 1.0, 3.0])
def test_wide_matrices_by_their_grams_are_the_same(decades: float) -> None:
    u, _, v = torch.linalg.svd(random((3, 32, 96), 6), full_matrices=False)
    x = u * torch.logspace(0, -decades, 32) @ v
    gram = x @ x.mT
    torch.testing.assert_close(_by_grams(x, gram, gram @ gram), _step_by_step(x, gram, gram @ gram), atol=1e-4, rtol=0)


def test_every_value_of_the_range_ends_near_1() -> None:
    values = torch.logspace(-2, 0, 500, dtype=torch.float64)[:, None, None]
    ends = _step_by_step(values, values**2, values**4)
    assert ends.min() > 0.639
    assert ends.max() < 1.111


def test_one_step_by_hand() -> None:
    """The first update: decay, then the orthogonal direction times lr times sqrt(rows / columns)."""
    start, grad = random((8, 2), 4), random((8, 2), 5)
    parameter = torch.nn.Parameter(start.clone())
    parameter.grad = grad.clone()
    Muon([parameter], [[8]], lr=0.5, weight_decay=0.2).step()
    wanted = start * (1 - 0.5 * 0.2) - 0.5 * math.sqrt(8 / 2) * orthogonalise(grad[None])[0]
    torch.testing.assert_close(parameter.detach(), wanted)


def test_fused_parts_move_as_if_they_were_apart() -> None:
    start, grads = random((12, 6), 6), [random((12, 6), seed) for seed in (7, 8)]
    whole = torch.nn.Parameter(start.clone())
    parts = [torch.nn.Parameter(part.clone()) for part in start.split([6, 3, 3])]
    fused, apart = Muon([whole], [[6, 3, 3]], lr=0.1), Muon(parts, [[6], [3], [3]], lr=0.1)
    for grad in grads:
        whole.grad = grad.clone()
        for part, piece in zip(parts, grad.split([6, 3, 3]), strict=True):
            part.grad = piece.clone()
        fused.step()
        apart.step()
    torch.testing.assert_close(whole.detach(), torch.cat([part.detach() for part in parts]))


def test_a_parameter_without_gradient_stays() -> None:
    moved, left = (torch.nn.Parameter(random((4, 4), 9)) for _ in range(2))
    before = left.detach().clone()
    moved.grad = random((4, 4), 1)
    Muon([moved, left], [[4], [4]], lr=0.1, weight_decay=0.5).step()
    assert torch.equal(left, before)
    with pytest.raises(ValueError, match="as many lists of parts"):
        Muon([moved, left], [[4]], lr=0.1)
