"""phi-3-mini and medium, phi-3.5-mini, phi-4, phi-4-mini: transformers' Phi3ForCausalLM."""

from __future__ import annotations

from typing import Any

from hornbook.model.config import ModelConfig
from hornbook.model.formats.layout import Layout, each, one, stacked
from hornbook.model.formats.published import Published, dimensions, rotary

MODEL_TYPES: tuple[str, ...] = ("phi3",)
ARCHITECTURE = "Phi3ForCausalLM"


def read(file: Published) -> ModelConfig:
    """The configuration that a config.json describes."""
    file.must("hidden_act", "silu")
    for key in ("attention_bias", "mlp_bias", "lm_head_bias"):
        file.must(key, False)
    rope = file.rope(theta=10_000.0)
    original = file.get("original_max_position_embeddings")
    original = original or rope.scaling.get("original_max_position_embeddings", 4096)
    return file.build(
        **file.dimensions(),
        rope_theta=rope.theta,
        rotary_share=rope.share,
        longrope=file.longrope(rope, original, file.one_scale(rope, original)),
        norm_epsilon=file.need("rms_norm_eps"),
        sliding_window=file.get("sliding_window"),
    )


def write(config: ModelConfig) -> dict[str, Any]:
    """The config.json of `config`, as far as this format holds it."""
    return {
        **dimensions(config),
        "original_max_position_embeddings": config.longrope.original if config.longrope else config.context,
        **rotary(config),
        "rms_norm_eps": config.norm_epsilon,
        "sliding_window": config.sliding_window if config.kind(0) == "window" else None,
        "hidden_act": "silu",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "embd_pdrop": 0.0,
        "resid_pdrop": 0.0,
    }


def layout(config: ModelConfig) -> Layout:
    """Where each of our tensors lies. q, k, v and gate, up may be fused, as published, or each on its own."""
    tensors: Layout = {"embed.weight": [one("model.embed_tokens.weight")], "norm.weight": [one("model.norm.weight")]}
    if not config.tied_embeddings:
        tensors["lm_head.weight"] = [one("lm_head.weight")]
    sizes = [heads * config.head_size for heads in (config.heads, config.key_value_heads, config.key_value_heads)]
    for index in range(config.layers):
        ours, theirs = f"blocks.{index}", f"model.layers.{index}"
        attention, mlp = f"{theirs}.self_attn", f"{theirs}.mlp"
        tensors |= each(("weight",), f"{ours}.attention_norm", f"{theirs}.input_layernorm")
        tensors[f"{ours}.attention.qkv.weight"] = [
            one(f"{attention}.qkv_proj.weight"),
            stacked([f"{attention}.{one_of}_proj.weight" for one_of in "qkv"], sizes),
        ]
        tensors |= each(("weight",), f"{ours}.attention.out", f"{attention}.o_proj")
        tensors |= each(("weight",), f"{ours}.mlp_norm", f"{theirs}.post_attention_layernorm")
        tensors[f"{ours}.mlp.gate_up.weight"] = [
            one(f"{mlp}.gate_up_proj.weight"),
            stacked([f"{mlp}.gate_proj.weight", f"{mlp}.up_proj.weight"], [config.mlp_width] * 2),
        ]
        tensors |= each(("weight",), f"{ours}.mlp.down", f"{mlp}.down_proj")
    return tensors
