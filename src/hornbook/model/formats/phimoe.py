"""phi-3.5-moe: transformers' PhimoeForCausalLM, as it was published and as today's transformers names its parts.

`input_jitter_noise` and the router's auxiliary loss, which act in training alone, are not taken over.
"""

from __future__ import annotations

from typing import Any

from hornbook.model.config import ModelConfig
from hornbook.model.formats.layout import Layout, Part, Parts, View, each, one, stacked
from hornbook.model.formats.published import Published, Rope, dimensions, rotary

MODEL_TYPES: tuple[str, ...] = ("phimoe",)
ARCHITECTURE = "PhimoeForCausalLM"

_BOTH = ("weight", "bias")


def read(file: Published) -> ModelConfig:
    """The configuration that a config.json describes."""
    file.must("hidden_act", "silu")
    file.must("num_experts_per_tok", 2)
    rope = file.rope(theta=1_000_000.0)
    if rope.share != 1:
        file.refuse(f"partial_rotary_factor {rope.share!r} is not supported; 1.0 is")
    bias = file.get("attention_bias", False)
    return file.build(
        **file.dimensions(),
        norm="layer",
        norm_epsilon=file.need("rms_norm_eps"),
        experts={"count": file.get("num_local_experts", 16), "jitter": file.get("router_jitter_noise", 0.01)},
        rope_theta=rope.theta,
        longrope=file.longrope(rope, _original(file, rope), _scales(file, rope)),
        sliding_window=file.get("sliding_window"),
        qkv_bias=bias,
        out_bias=bias,
        lm_head_bias=file.get("lm_head_bias", False),
    )


def _original(file: Published, rope: Rope) -> Any:
    key = "original_max_position_embeddings"
    return rope.scaling.get(key) or (file.need(key) if rope.scaling else None)


def _scales(file: Published, rope: Rope) -> tuple[Any, Any]:
    if not rope.scaling:
        return None, None
    for key in ("short_mscale", "long_mscale"):
        if key not in rope.scaling:
            file.refuse(f"the rope key {key!r} is missing")
    return rope.scaling["short_mscale"], rope.scaling["long_mscale"]


def write(config: ModelConfig) -> dict[str, Any]:
    """The config.json of `config`, as far as this format holds it."""
    rope = rotary(config)
    del rope["partial_rotary_factor"]
    if config.longrope is not None:
        short, long = config.longrope.scales(config.context)
        original = config.longrope.original
        rope["rope_scaling"].pop("attention_factor", None)
        rope["rope_scaling"] |= {
            "short_mscale": short,
            "long_mscale": long,
            "original_max_position_embeddings": original,
        }
        rope["original_max_position_embeddings"] = original
    experts = {} if config.experts is None else config.experts.model_dump()
    return {
        **dimensions(config),
        **rope,
        "rms_norm_eps": config.norm_epsilon,
        "sliding_window": config.sliding_window if config.kind(0) == "window" else None,
        "num_local_experts": experts.get("count"),
        "num_experts_per_tok": 2,
        "router_jitter_noise": experts.get("jitter"),
        "input_jitter_noise": 0.0,
        "attention_bias": config.qkv_bias,
        "lm_head_bias": config.lm_head_bias,
        "hidden_act": "silu",
        "attention_dropout": 0.0,
    }


def layout(config: ModelConfig) -> Layout:
    """Where each of our tensors lies: an expert's w1 is its gate, w3 its up, w2 its down."""
    tensors: Layout = dict(each(("weight",), "embed", "model.embed_tokens"))
    tensors |= each(_BOTH, "norm", "model.norm")
    kinds = (("bias",) if config.lm_head_bias else ()) + (() if config.tied_embeddings else ("weight",))
    tensors |= each(kinds, "lm_head", "lm_head")
    sizes = [heads * config.head_size for heads in (config.heads, config.key_value_heads, config.key_value_heads)]
    for index in range(config.layers):
        ours, theirs = f"blocks.{index}", f"model.layers.{index}"
        tensors |= each(_BOTH, f"{ours}.attention_norm", f"{theirs}.input_layernorm")
        tensors |= each(_BOTH, f"{ours}.mlp_norm", f"{theirs}.post_attention_layernorm")
        for kind in _BOTH if config.qkv_bias else ("weight",):
            names = [f"{theirs}.self_attn.{part}_proj.{kind}" for part in "qkv"]
            tensors[f"{ours}.attention.qkv.{kind}"] = [stacked(names, sizes)]
        kinds = _BOTH if config.out_bias else ("weight",)
        tensors |= each(kinds, f"{ours}.attention.out", f"{theirs}.self_attn.o_proj")
        tensors |= _experts(config, f"{ours}.mlp", theirs)
    return tensors


def _experts(config: ModelConfig, ours: str, theirs: str) -> Layout:
    assert config.experts is not None
    inner, many = config.mlp_width, range(config.experts.count)
    names = [f"{theirs}.block_sparse_moe.experts.{expert}" for expert in many]
    gate_up: Parts = tuple(
        Part(f"{names[expert]}.{name}.weight", _of_expert(expert, start, start + inner))
        for expert in many
        for name, start in (("w1", 0), ("w3", inner))
    )
    down: Parts = tuple(Part(f"{names[expert]}.w2.weight", _of_expert(expert, 0, config.width)) for expert in many)
    return {
        f"{ours}.router": [one(f"{theirs}.block_sparse_moe.gate.weight"), one(f"{theirs}.mlp.router.weight")],
        f"{ours}.gate_up": [gate_up, one(f"{theirs}.mlp.experts.gate_up_proj")],
        f"{ours}.down": [down, one(f"{theirs}.mlp.experts.down_proj")],
    }


def _of_expert(expert: int, start: int, end: int) -> View:
    return lambda stack: stack[expert, start:end]
