"""phi-1, phi-1.5, phi-2: transformers' PhiForCausalLM, and the two layouts in which they were first published.

The first releases have model_type `mixformer-sequential` (one list of layers, of which the embedding is the first and
the head the last) or `phi-msft` (transformer.h); both fuse q, k and v as we do.
"""

from __future__ import annotations

import math
from typing import Any

from hornbook.model.config import ModelConfig
from hornbook.model.formats.layout import Layout, each, stacked
from hornbook.model.formats.published import Published, dimensions, rotary

MODEL_TYPES: tuple[str, ...] = ("phi", "phi-msft", "mixformer-sequential")
ARCHITECTURE = "PhiForCausalLM"

_BOTH = ("weight", "bias")
_SWITCHES: dict[str, Any] = {
    "norm": "layer",
    "block": "parallel",
    "activation": "gelu",
    "qkv_bias": True,
    "out_bias": True,
    "mlp_bias": True,
    "lm_head_bias": True,
}


def read(file: Published) -> ModelConfig:
    """The configuration that a config.json describes."""
    return _read_first_releases(file) if file.get("model_type") != "phi" else _read(file)


def _read(file: Published) -> ModelConfig:
    file.must("hidden_act", "gelu_new", "gelu_pytorch_tanh")
    file.must("qk_layernorm", False)
    rope = file.rope(theta=10_000.0, share=0.5)
    context = file.need("max_position_embeddings")
    original = file.get("original_max_position_embeddings")
    original = original or rope.scaling.get("original_max_position_embeddings", context)
    return file.build(
        **file.dimensions(),
        rope_theta=rope.theta,
        rotary_share=rope.share,
        longrope=file.longrope(rope, original, file.one_scale(rope, original)),
        norm_epsilon=file.need("layer_norm_eps"),
        **_SWITCHES,
    )


def _read_first_releases(file: Published) -> ModelConfig:
    file.must("activation_function", "gelu_new")
    if file.mapping("architecture").get("block_cls", "parallel") != "parallel":
        file.refuse("architecture.block_cls is not supported; 'parallel' is")
    width, heads = file.shape("n_embd", "n_head")
    size, turned = width // heads, file.positive("rotary_dim", 32)
    share = turned / size if size else 1.0
    return file.build(
        vocabulary=file.need("vocab_size"),
        layers=file.need("n_layer"),
        width=width,
        heads=heads,
        kv_heads=file.get("n_head_kv", heads),
        mlp_width=file.get("n_inner", 4 * width),
        context=file.need("n_positions"),
        rotary_share=share if int(size * share) == turned else math.nextafter(share, 1.0),
        norm_epsilon=file.need("layer_norm_epsilon"),
        initial_std=file.get("initializer_range", 0.02),
        tied_embeddings=file.get("tie_word_embeddings", False),
        **_SWITCHES,
    )


def write(config: ModelConfig) -> dict[str, Any]:
    """The config.json of `config`, as far as this format holds it."""
    return {
        **dimensions(config),
        **rotary(config),
        **({"original_max_position_embeddings": config.longrope.original} if config.longrope else {}),
        "layer_norm_eps": config.norm_epsilon,
        "hidden_act": "gelu_new",
        "qk_layernorm": False,
        "attention_dropout": 0.0,
        "embd_pdrop": 0.0,
        "resid_pdrop": 0.0,
    }


def layout(config: ModelConfig) -> Layout:
    """Where each of our tensors lies, in today's layout or one of the first two."""
    last = config.layers + 1
    tensors: Layout = dict(each(("weight",), "embed", "model.embed_tokens", "layers.0.wte", "transformer.embd.wte"))
    tensors |= each(_BOTH, "norm", "model.final_layernorm", f"layers.{last}.ln", "lm_head.ln")
    kinds = ("bias",) if config.tied_embeddings else _BOTH
    tensors |= each(kinds, "lm_head", "lm_head", f"layers.{last}.linear", "lm_head.linear")
    sizes = [heads * config.head_size for heads in (config.heads, config.key_value_heads, config.key_value_heads)]
    for index in range(config.layers):
        ours, theirs = f"blocks.{index}", f"model.layers.{index}"
        first = (f"layers.{index + 1}", f"transformer.h.{index}")
        tensors |= each(_BOTH, f"{ours}.attention_norm", f"{theirs}.input_layernorm", *(f"{name}.ln" for name in first))
        for kind in _BOTH:
            fused = dict(each((kind,), "qkv", *(f"{name}.mixer.Wqkv" for name in first)))[f"qkv.{kind}"]
            split = stacked([f"{theirs}.self_attn.{part}_proj.{kind}" for part in "qkv"], sizes)
            tensors[f"{ours}.attention.qkv.{kind}"] = [split, *fused]
        out = (f"{name}.mixer.out_proj" for name in first)
        tensors |= each(_BOTH, f"{ours}.attention.out", f"{theirs}.self_attn.dense", *out)
        for mine, their in (("up", "fc1"), ("down", "fc2")):
            names = (f"{name}.mlp.{their}" for name in (theirs, *first))
            tensors |= each(_BOTH, f"{ours}.mlp.{mine}", *names)
    return tensors
