"""A step's parts."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hornbook.train.loop import clip


def parameters(seed: int, scale: float = 1.0) -> list[torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    made = [torch.nn.Parameter(torch.zeros(shape)) for shape in ((3, 5), (7,), (2, 2))]
    for parameter in made[:2]:  # the last one has no gradient
        parameter.grad = scale * torch.randn(parameter.shape, generator=generator)
    return made


@given(seed=st.integers(0, 10_000), most=st.floats(1e-6, 20), near=st.sampled_from([None, -1e-6, -5e-7, 0.0, 1e-7]))
def test_gradients_are_clipped_to_the_bit_as_pytorch_does(seed: int, most: float, near: float | None) -> None:
    """Also where their norm is as good as the most that is allowed."""
    ours, theirs = parameters(seed), parameters(seed)
    if near is not None:
        most = clip(parameters(seed), math.inf) - near
    told = clip(ours, most)
    assert told == torch.nn.utils.clip_grad_norm_(theirs, most).item()
    for one, other in zip(ours[:2], theirs[:2], strict=True):
        assert one.grad is not None and other.grad is not None
        assert torch.equal(one.grad, other.grad)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_norm_that_is_no_number_is_told(bad: float) -> None:
    made = parameters(1)
    assert made[0].grad is not None
    made[0].grad[1, 2] = bad
    assert not math.isfinite(clip(made, 1.0))
