"""Llama 2 and 3, and what has their layout (SmolLM2, TinyLlama): transformers' LlamaForCausalLM."""

from __future__ import annotations

from typing import Any

from hornbook.model.config import ModelConfig
from hornbook.model.formats import phi3
from hornbook.model.formats.layout import Layout, each, one, stacked
from hornbook.model.formats.published import Published, dimensions, rotary

MODEL_TYPES: tuple[str, ...] = ("llama",)
ARCHITECTURE = "LlamaForCausalLM"


def read(file: Published) -> ModelConfig:
    """The configuration that a config.json describes."""
    file.must("hidden_act", "silu")
    file.must("rope_interleaved", False)  # SmolLM's files name it
    for key in ("attention_bias", "mlp_bias"):
        file.must(key, False, True)
    rope = file.rope(theta=10_000.0, kinds=("linear", "llama3", "longrope"))
    if rope.share != 1:
        file.refuse(f"partial_rotary_factor {rope.share!r} is not supported; 1.0 is")
    key = "original_max_position_embeddings"
    original = file.get(key) or rope.scaling.get(key) or file.need("max_position_embeddings")
    return file.build(
        **file.dimensions(own_head_dim=True),
        rope_theta=rope.theta,
        rope_scaling=file.rope_scaling(rope),
        longrope=file.longrope(rope, original, file.one_scale(rope, original)),
        norm_epsilon=file.get("rms_norm_eps", 1e-6),
        qkv_bias=file.get("attention_bias", False),
        out_bias=file.get("attention_bias", False),
        mlp_bias=file.get("mlp_bias", False),
    )


def write(config: ModelConfig) -> dict[str, Any]:
    """The config.json of `config`, as far as this format holds it."""
    rope = rotary(config)
    del rope["partial_rotary_factor"]
    if config.longrope is not None:
        rope["rope_scaling"]["original_max_position_embeddings"] = config.longrope.original
    return {
        **dimensions(config),
        **rope,
        "head_dim": config.head_size,
        "rms_norm_eps": config.norm_epsilon,
        "hidden_act": "silu",
        "attention_bias": config.qkv_bias,
        "attention_dropout": 0.0,
        "mlp_bias": config.mlp_bias,
    }


def layout(config: ModelConfig) -> Layout:
    """Where each of our tensors lies: as phi-3's, but with q, k, v, gate and up each on its own, and with biases."""
    tensors: Layout = {name: ways[::-1] for name, ways in phi3.layout(config).items()}
    sizes = [heads * config.head_size for heads in (config.heads, config.key_value_heads, config.key_value_heads)]
    for index in range(config.layers):
        ours, theirs = f"blocks.{index}", f"model.layers.{index}"
        if config.qkv_bias:
            names = [f"{theirs}.self_attn.{part}_proj.bias" for part in "qkv"]
            tensors[f"{ours}.attention.qkv.bias"] = [stacked(names, sizes), one(f"{theirs}.self_attn.qkv_proj.bias")]
        if config.out_bias:
            tensors |= each(("bias",), f"{ours}.attention.out", f"{theirs}.self_attn.o_proj")
        if config.mlp_bias:
            names = [f"{theirs}.mlp.{part}_proj.bias" for part in ("gate", "up")]
            tensors[f"{ours}.mlp.gate_up.bias"] = [stacked(names, [config.mlp_width] * 2)]
            tensors |= each(("bias",), f"{ours}.mlp.down", f"{theirs}.mlp.down_proj")
    return tensors
