"""phi-1, phi-1.5 and phi-2: the same numbers as transformers' PhiForCausalLM."""

from __future__ import annotations

from typing import Any

import pytest

FAMILY: dict[str, Any] = {
    "norm": "layer",
    "block": "parallel",
    "activation": "gelu",
    "rotary_share": 0.5,
    "qkv_bias": True,
    "out_bias": True,
    "mlp_bias": True,
    "lm_head_bias": True,
    "tied_embeddings": False,
}
ARCHITECTURE = "PhiForCausalLM"

LONG = {"original": 16, "short": (1.0, 1.1, 1.3, 1.7), "long": (1.0, 1.9, 3.0, 4.0)}
SHAPES: dict[str, dict[str, Any]] = {
    "as phi-1": {},
    "tied": {"tied_embeddings": True},
    "phi-2's share": {"width": 80, "heads": 4, "rotary_share": 0.4},
    "grouped": {"heads": 8, "kv_heads": 2},
    "theta": {"rope_theta": 500.0, "norm_epsilon": 1e-3, "rotary_share": 1.0},
    "one layer, odd sizes": {"layers": 1, "width": 72, "heads": 6, "mlp_width": 50},
    "longrope": {"longrope": LONG},
}
shapes = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())


@shapes
def test_logits(shape: dict[str, Any], parity: Any) -> None:
    parity.logits(**shape)


@shapes
def test_gradients(shape: dict[str, Any], parity: Any) -> None:
    parity.gradients(**shape)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("shape", [{}, {"heads": 8, "kv_heads": 2}], ids=str)
def test_padded_batches(side: str, shape: dict[str, Any], parity: Any) -> None:
    parity.padding(side, **shape)


def test_packed_documents(parity: Any) -> None:
    parity.packed()


@pytest.mark.parametrize("shards", [None, "60KB"], ids=["one file", "sharded"])
@pytest.mark.parametrize("tied", [True, False])
def test_reads_what_transformers_writes(tied: bool, shards: str | None, parity: Any) -> None:
    from transformers import PhiConfig

    config = PhiConfig(
        vocab_size=300,
        hidden_size=48,
        intermediate_size=80,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=40,
        tie_word_embeddings=tied,
        initializer_range=0.3,
        pad_token_id=0,
        bos_token_id=0,
        eos_token_id=0,
    )
    parity.reads(config, shards, tied_embeddings=tied, rotary_share=0.5, key_value_heads=2)
