from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hornbook.longrope.factors import Factors, extended, interpolation, ntk, published, unchanged, yarn
from hornbook.model.config import ModelConfig

SIZES = st.sampled_from([4, 16, 32, 64, 96, 128])
SCALES = st.floats(1.5, 64)


def theirs(kind: str, size: int, original: int, theta: float, **scaling: Any) -> tuple[list[float], float]:
    """Inverse frequencies and attention factor that transformers computes for this kind of scaling."""
    from transformers import LlamaConfig
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    config = LlamaConfig(
        hidden_size=size,
        num_attention_heads=1,
        head_dim=size,
        max_position_embeddings=original,
        rope_parameters={"rope_type": kind, "rope_theta": theta, **scaling},
    )
    frequencies, factor = ROPE_INIT_FUNCTIONS[kind](config, torch.device("cpu"), seq_len=scaling.pop("length", None))
    return frequencies.tolist(), factor


def frequencies(factors: Factors, size: int, theta: float) -> list[float]:
    return [1 / (value * theta ** (2 * pair / size)) for pair, value in enumerate(factors.values)]


@pytest.mark.parametrize("scale", [2.0, 8.0, 32.0])
@pytest.mark.parametrize("size", [32, 96])
def test_interpolation_is_what_transformers_calls_linear(size: int, scale: float) -> None:
    expected, factor = theirs("linear", size, 128, 10_000.0, factor=scale)
    assert frequencies(interpolation(size, scale), size, 10_000.0) == pytest.approx(expected, rel=1e-5)
    assert factor == interpolation(size, scale).attention_factor == 1.0


@pytest.mark.parametrize("scale", [2.0, 8.0])
@pytest.mark.parametrize("size", [32, 96])
def test_ntk_is_transformers_dynamic_form_at_one_length(size: int, scale: float) -> None:
    # Dynamic NTK stretches theta by (factor * length / original - (factor - 1)); with factor 1 that is our scale.
    expected, _ = theirs("dynamic", size, 128, 10_000.0, factor=1.0, length=int(128 * scale))
    assert frequencies(ntk(size, scale), size, 10_000.0) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("scale", [4.0, 32.0])
@pytest.mark.parametrize(("size", "original"), [(32, 512), (96, 4096), (128, 8192)])
def test_yarn_by_index_is_transformers(size: int, original: int, scale: float) -> None:
    expected, factor = theirs("yarn", size, original, 10_000.0, factor=scale, original_max_position_embeddings=original)
    found = yarn(size, scale, original=original, theta=10_000.0)
    assert frequencies(found, size, 10_000.0) == pytest.approx(expected, rel=1e-5)
    assert found.attention_factor == pytest.approx(factor)
    assert found.attention_factor == pytest.approx(0.1 * math.log(scale) + 1)


def test_yarn_by_turns_is_the_papers_formula() -> None:
    size, original, theta, scale = 32, 128, 10_000.0, 8.0
    for pair, value in enumerate(yarn(size, scale, original=original, theta=theta, turns=True).values):
        wavelength = 2 * math.pi * theta ** (2 * pair / size)
        turns = original / wavelength
        share = 0.0 if turns < 1 else 1.0 if turns > 32 else (turns - 1) / 31
        frequency = theta ** (-2 * pair / size)
        assert frequency / value == pytest.approx((1 - share) * frequency / scale + share * frequency)


@given(SIZES, SCALES, st.integers(64, 8192))
def test_every_method_rises_from_at_least_1_to_the_scale(size: int, scale: float, original: int) -> None:
    for found in (
        interpolation(size, scale),
        ntk(size, scale),
        yarn(size, scale, original=original, theta=10_000.0),
        yarn(size, scale, original=original, theta=10_000.0, turns=True),
    ):
        assert len(found.values) == size // 2
        assert all(a <= b + 1e-9 for a, b in zip(found.values, found.values[1:], strict=False))
        assert min(found.values) >= 1 - 1e-9
        assert found.values[-1] <= scale * (1 + 1e-9)


def test_a_longer_context_keeps_the_original_one_in_mind() -> None:
    config = ModelConfig(context=128)
    first = extended(config, 512, interpolation(32, 4.0))
    second = extended(first, 1024, Factors((8.0,) * 16, attention_factor=1.2, start_tokens=4))
    assert first.longrope is not None and second.longrope is not None
    assert (first.context, second.context) == (512, 1024)
    assert first.longrope.original == second.longrope.original == 128
    assert second.longrope.short == unchanged(32).values
    assert second.longrope.scales(1024) == (1.0, 1.2)
    assert second.longrope.start_tokens == 4
    assert published(second, 1024)["pi"].values == (8.0,) * 16
