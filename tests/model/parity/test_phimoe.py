"""phi-3.5-moe: the same numbers as transformers' PhimoeForCausalLM.

transformers never uses the long factors; beyond the original length it is compared with them put in by hand.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch

FAMILY: dict[str, Any] = {
    "norm": "layer",
    "experts": {"count": 4, "jitter": 0.01},
    "qkv_bias": True,
    "out_bias": True,
    "lm_head_bias": True,
    "tied_embeddings": False,
    "mlp_width": 40,
}
ARCHITECTURE = "PhimoeForCausalLM"

LONG = {
    "original": 16,
    "short": (1.0, 1.05, 1.1, 1.2, 1.4, 1.6, 1.9, 2.2),
    "long": (1.0, 1.3, 1.9, 2.6, 3.0, 3.4, 3.9, 4.0),
    "short_scale": 1.1,
    "long_scale": 1.24,
}
SHAPES: dict[str, dict[str, Any]] = {
    "as published": {"kv_heads": 2},
    "without biases, tied": {"qkv_bias": False, "out_bias": False, "lm_head_bias": False, "tied_embeddings": True},
    "many experts, a window": {"experts": {"count": 16, "jitter": 0.1}, "sliding_window": 5},
    "two experts": {"experts": {"count": 2, "jitter": 5.0}, "rope_theta": 500.0},
}
shapes = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())


@shapes
def test_logits(shape: dict[str, Any], parity: Any) -> None:
    parity.logits(**shape)


@shapes
def test_gradients(shape: dict[str, Any], parity: Any) -> None:
    parity.gradients(**shape)


@pytest.mark.parametrize("side", ["left", "right"])
def test_padded_batches(side: str, parity: Any) -> None:
    parity.padding(side, kv_heads=2, sliding_window=6)


def test_packed_documents(parity: Any) -> None:
    parity.packed()


@pytest.mark.parametrize("length", [4, 5, 6])
def test_the_window_ends_where_it_ends_there(length: int, parity: Any) -> None:
    parity.window(5, length)


@pytest.mark.parametrize("length", [15, 16, 17, 40])
@torch.no_grad()
def test_longrope_below_and_above_the_original_length(length: int, parity: Any) -> None:
    ours, theirs = parity.pair(9, longrope=LONG)
    rotary = theirs.model.rotary_emb
    ids = torch.randint(400, (2, length), generator=torch.Generator().manual_seed(length))
    if length > 16:
        assert (ours(ids) - theirs(ids).logits).abs().max() > 0.01, "its own factors are the short ones"
        rotary.rope_init_fn = partial(rotary.rope_init_fn, seq_len=length)
    torch.testing.assert_close(ours(ids), theirs(ids).logits, atol=1e-4, rtol=0)


@pytest.mark.parametrize("shards", [None, "60KB"], ids=["one file", "sharded"])
@pytest.mark.parametrize("biased", [True, False])
def test_reads_what_transformers_writes(biased: bool, shards: str | None, parity: Any) -> None:
    from transformers import PhimoeConfig

    config = PhimoeConfig(
        vocab_size=300,
        hidden_size=48,
        intermediate_size=40,
        num_hidden_layers=2,
        num_attention_heads=6,
        num_key_value_heads=3,
        num_local_experts=5,
        max_position_embeddings=40,
        sliding_window=12,
        attention_bias=biased,
        lm_head_bias=biased,
        router_jitter_noise=0.02,
        initializer_range=0.3,
        pad_token_id=0,
        bos_token_id=0,
        eos_token_id=0,
    )
    parity.reads(config, shards, qkv_bias=biased, lm_head_bias=biased, rope_theta=1_000_000.0)


@torch.no_grad()
def test_experts_that_lie_stacked(parity: Any) -> None:
    """As transformers holds them in memory, and writes them where it is told not to take its own conversion back."""
    from safetensors.torch import save_file

    from hornbook.model.formats import checkpoint

    ours, theirs = parity.pair(12)
    folder = next(parity.folder.iterdir())
    save_file({name: tensor.contiguous() for name, tensor in theirs.state_dict().items()}, folder / "model.safetensors")
    for one, other in zip(checkpoint.load(folder).parameters(), ours.parameters(), strict=True):
        assert torch.equal(one, other)
