"""Llama 2 and 3, SmolLM2, TinyLlama: the same numbers as transformers' LlamaForCausalLM."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from hornbook.model.config import ModelConfig
from hornbook.model.rope import frequencies

FAMILY: dict[str, Any] = {"format": "llama"}
ARCHITECTURE = "LlamaForCausalLM"

LLAMA3 = {"kind": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original": 32}
LONG = {
    "original": 16,
    "short": (1.0, 1.05, 1.1, 1.2, 1.4, 1.6, 1.9, 2.2),
    "long": (1.0, 1.3, 1.9, 2.6, 3.0, 3.4, 3.9, 4.0),
}
SHAPES: dict[str, dict[str, Any]] = {
    "tied": {},
    "untied": {"tied_embeddings": False},
    "grouped": {"heads": 8, "kv_heads": 2},
    "SmolLM2's nine heads": {"width": 72, "heads": 9, "kv_heads": 3, "rope_theta": 100_000.0},
    "one kv head": {"heads": 4, "kv_heads": 1},
    "biases of the attention": {"qkv_bias": True, "out_bias": True, "kv_heads": 2},
    "biases of the MLP": {"mlp_bias": True, "tied_embeddings": False},
    "every bias": {"qkv_bias": True, "out_bias": True, "mlp_bias": True},
    "wide heads": {"head_dim": 32, "kv_heads": 2},
    "narrow heads": {"head_dim": 6, "qkv_bias": True, "out_bias": True},
    "theta": {"rope_theta": 500_000.0, "norm_epsilon": 1e-3},
    "linear": {"rope_scaling": {"kind": "linear", "factor": 4.0}},
    "llama3": {"rope_scaling": LLAMA3, "rope_theta": 50.0},
    "llama3, other turns": {"rope_scaling": LLAMA3 | {"low_freq_factor": 0.5, "high_freq_factor": 1.5}, "head_dim": 24},
    "longrope": {"longrope": LONG},
    "longrope with a scale": {"longrope": LONG | {"short_scale": 1.3, "long_scale": 1.3}},
}
shapes = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
FEW = pytest.mark.parametrize(
    "shape", [SHAPES[name] for name in ("grouped", "every bias", "wide heads", "llama3")], ids=str
)


@shapes
def test_logits(shape: dict[str, Any], parity: Any) -> None:
    parity.logits(**shape)


@shapes
def test_gradients(shape: dict[str, Any], parity: Any) -> None:
    parity.gradients(**shape)


@pytest.mark.parametrize("side", ["left", "right"])
@FEW
def test_padded_batches(side: str, shape: dict[str, Any], parity: Any) -> None:
    parity.padding(side, **shape)


@FEW
def test_packed_documents(shape: dict[str, Any], parity: Any) -> None:
    parity.packed(**shape)


@pytest.mark.parametrize("length", [1, 15, 16, 17, 40])
def test_longrope_below_and_above_the_original_length(length: int, parity: Any) -> None:
    parity.logits(time=length, longrope=LONG)


def test_a_model_of_phi_3s_format_is_not_turned_into_llamas(parity: Any) -> None:
    parity.family, parity.architecture = {}, "Phi3ForCausalLM"
    parity.logits()


def their_config(**changes: Any) -> Any:
    from transformers import LlamaConfig

    values = {
        "vocab_size": 300,
        "hidden_size": 48,
        "intermediate_size": 80,
        "num_hidden_layers": 3,
        "num_attention_heads": 6,
        "num_key_value_heads": 3,
        "max_position_embeddings": 256,
        "initializer_range": 0.3,
    }
    return LlamaConfig(**(values | changes))


@pytest.mark.parametrize("shards", [None, "60KB"], ids=["one file", "sharded"])
@pytest.mark.parametrize("tied", [True, False])
def test_reads_what_transformers_writes(tied: bool, shards: str | None, parity: Any) -> None:
    parity.reads(their_config(tie_word_embeddings=tied), shards, tied_embeddings=tied, format="llama")


ROPES = {
    "theta": {"rope_theta": 777.0},
    "linear": {"rope_theta": 777.0, "rope_type": "linear", "factor": 3.0},
    "llama3": {
        "rope_theta": 20.0,
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
    },
    "longrope": {
        "rope_theta": 777.0,
        "rope_type": "longrope",
        "short_factor": [1.0, 1.5, 2.0, 2.5],
        "long_factor": [2.0, 3.0, 4.0, 5.0],
        "original_max_position_embeddings": 20,
    },
}


@pytest.mark.parametrize("rope", ROPES.values(), ids=ROPES.keys())
def test_reads_the_positions_that_transformers_writes(rope: dict[str, Any], parity: Any) -> None:
    parity.reads(their_config(rope_parameters=rope), None, rope_theta=rope["rope_theta"])


def test_reads_biases_and_wide_heads_that_transformers_writes(parity: Any) -> None:
    parity.reads(their_config(attention_bias=True, mlp_bias=True, head_dim=20), None, head_dim=20, mlp_bias=True)


@pytest.mark.parametrize("theta", [10_000.0, 500_000.0])
def test_llama_3s_frequencies_are_the_formulas(theta: float) -> None:
    """Llama 3.1's own numbers, pair by pair in float64, by Meta's three cases of a wavelength."""
    scaling = {"kind": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original": 8192}
    config = ModelConfig(width=128, heads=1, rope_theta=theta, rope_scaling=scaling)
    wanted = []
    for pair in range(64):
        frequency = 1 / theta ** (2 * pair / 128)
        wavelength = 2 * math.pi / frequency
        if wavelength < 8192 / 4:
            wanted.append(frequency)
        elif wavelength > 8192 / 1:
            wanted.append(frequency / 8)
        else:
            smooth = (8192 / wavelength - 1) / (4 - 1)
            wanted.append((1 - smooth) * frequency / 8 + smooth * frequency)
    kinds = {round(plain / made, 3) for plain, made in zip(theta ** -(np.arange(64) / 64), wanted, strict=True)}
    assert {1.0, 8.0} < kinds, "all three cases occur"
    made = frequencies(config).double().numpy()
    np.testing.assert_allclose(made, wanted, rtol=3e-6)
    plain = frequencies(ModelConfig(width=128, heads=1, rope_theta=theta))
    assert torch.equal(frequencies(config)[:4], plain[:4])
