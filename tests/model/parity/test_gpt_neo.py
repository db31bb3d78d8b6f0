"""The TinyStories models: the same numbers as transformers' GPTNeoForCausalLM."""

from __future__ import annotations

from typing import Any

import pytest

FAMILY: dict[str, Any] = {
    "norm": "layer",
    "activation": "gelu",
    "positions": "learned",
    "attention": ("full", "window"),
    "sliding_window": 7,
    "out_bias": True,
    "mlp_bias": True,
    "attention_scale": 1.0,
}
ARCHITECTURE = "GPTNeoForCausalLM"

SHAPES: dict[str, dict[str, Any]] = {
    "published pattern": {},
    "untied": {"tied_embeddings": False},
    "local alone, three layers": {"attention": ("window",), "layers": 3},
    "global alone": {"attention": None, "sliding_window": None},
    "odd sizes": {"width": 72, "heads": 6, "mlp_width": 50, "norm_epsilon": 1e-3},
    "another order": {"attention": ("window", "window", "full"), "layers": 5, "sliding_window": 2},
}
shapes = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())


@shapes
def test_logits(shape: dict[str, Any], parity: Any) -> None:
    parity.logits(**shape)


@shapes
def test_gradients(shape: dict[str, Any], parity: Any) -> None:
    parity.gradients(**shape)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("shape", [{}, {"attention": ("window",)}], ids=str)
def test_padded_batches(side: str, shape: dict[str, Any], parity: Any) -> None:
    parity.padding(side, **shape)


def test_packed_documents(parity: Any) -> None:
    parity.packed(restarts=False)  # transformers' GPT-Neo lets packed documents see each other


@pytest.mark.parametrize("length", [255, 256, 257])
def test_the_window_ends_where_it_ends_there(length: int, parity: Any) -> None:
    # Scores are not scaled: small weights keep attention from resting on a few tokens.
    parity.window(256, length, attention=("window",), context=512, initial_std=0.05)


@pytest.mark.parametrize("shards", [None, "60KB"], ids=["one file", "sharded"])
@pytest.mark.parametrize("tied", [True, False])
def test_reads_what_transformers_writes(tied: bool, shards: str | None, parity: Any) -> None:
    from transformers import GPTNeoConfig

    config = GPTNeoConfig(
        vocab_size=300,
        hidden_size=48,
        num_layers=3,
        num_heads=6,
        intermediate_size=None,
        attention_types=[[["global", "local"], 1], [["local"], 1]],
        window_size=4,
        max_position_embeddings=40,
        initializer_range=0.3,
        tie_word_embeddings=tied,
        bos_token_id=0,
        eos_token_id=0,
    )
    expected = {"attention": ("full", "window", "window"), "sliding_window": 4, "mlp_width": 192}
    parity.reads(config, shards, tied_embeddings=tied, **expected)
