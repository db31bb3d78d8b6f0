"""Muon against numpy's singular values and against torch's own Muon."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from hornbook.train.muon import Muon, orthogonalise


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


def test_orthogonalise_treats_each_matrix_alone() -> None:
    matrices = random((3, 6, 9), 2)
    together = orthogonalise(matrices)
    for index in range(3):
        torch.testing.assert_close(together[index], orthogonalise(matrices[index : index + 1])[0])
    assert torch.equal(orthogonalise(torch.zeros(1, 4, 4)), torch.zeros(1, 4, 4))


@pytest.mark.parametrize("shape", [(48, 32), (32, 48), (32, 32)])
def test_equals_torchs_muon(shape: tuple[int, int]) -> None:
    start = random(shape, 3) / 10
    ours, theirs = (torch.nn.Parameter(start.clone()) for _ in range(2))
    options = {"lr": 0.02, "momentum": 0.95, "weight_decay": 0.1}
    optimizers = (
        Muon([ours], [[shape[0]]], **options),
        torch.optim.Muon([theirs], nesterov=True, adjust_lr_fn="original", **options),
    )
    for step in range(6):
        for parameter, optimizer in zip((ours, theirs), optimizers, strict=True):
            parameter.grad = random(shape, 10 + step)
            optimizer.step()
    moved = (theirs - start).norm()
    assert (ours - theirs).norm() < 0.02 * moved, "torch's iteration runs in bf16"
    assert moved > 0.1


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
