"""The TinyStories models: transformers' GPTNeoForCausalLM (learned positions, attention in turn full and local)."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from hornbook.model.config import AttentionKind, ModelConfig
from hornbook.model.formats.layout import Layout, each, stacked
from hornbook.model.formats.published import Published

MODEL_TYPES: tuple[str, ...] = ("gpt_neo",)
ARCHITECTURE = "GPTNeoForCausalLM"

_BOTH = ("weight", "bias")
_KINDS: dict[str, AttentionKind] = {"global": "full", "local": "window"}


def read(file: Published) -> ModelConfig:
    """The configuration that a config.json describes."""
    file.must("activation_function", "gelu_new", "gelu_pytorch_tanh")
    width, heads = file.shape("hidden_size", "num_heads")
    layers = file.positive("num_layers")
    kinds = [_KINDS[name] for name in _attention(file)]
    if len(kinds) != layers:
        file.refuse(f"attention_types names {len(kinds)} layers, num_layers is {layers}")
    return file.build(
        vocabulary=file.need("vocab_size"),
        layers=layers,
        width=width,
        heads=heads,
        kv_heads=heads,
        mlp_width=file.get("intermediate_size", 4 * width),
        context=file.need("max_position_embeddings"),
        norm="layer",
        norm_epsilon=file.need("layer_norm_epsilon"),
        activation="gelu",
        positions="learned",
        attention=shortest(kinds),
        sliding_window=file.get("window_size", 256) if "window" in kinds else None,
        out_bias=True,
        mlp_bias=True,
        attention_scale=1.0,  # GPT-Neo does not scale attention scores
        initial_std=file.get("initializer_range", 0.02),
        tied_embeddings=file.get("tie_word_embeddings", True),
    )


def _attention(file: Published) -> list[str]:
    """`global` or `local` for each layer, from pairs of a pattern and how often it is repeated."""
    pairs = file.get("attention_types", [[["global", "local"], 12]])
    names: list[str] = []
    try:
        for pattern, times in pairs:
            if not isinstance(pattern, list) or isinstance(times, bool) or not 0 <= times <= 10_000:
                raise TypeError
            names += pattern * times
    except (TypeError, ValueError):
        file.refuse(f"attention_types is {pairs!r}; a list such as [[['global', 'local'], 4]] is needed")
    unknown = [name for name in names if not isinstance(name, str) or name not in _KINDS]
    if unknown:
        file.refuse(f"attention type {unknown[0]!r} is not supported; 'global' and 'local' are")
    return names


def shortest(kinds: list[AttentionKind]) -> tuple[AttentionKind, ...]:
    """The shortest pattern that gives `kinds` when it is repeated and cut to their number."""
    for size in range(1, len(kinds)):
        if all(kind == kinds[index % size] for index, kind in enumerate(kinds)):
            return tuple(kinds[:size])
    return tuple(kinds)


def write(config: ModelConfig) -> dict[str, Any]:
    """The config.json of `config`, as far as this format holds it."""
    names = ["local" if config.kind(layer) == "window" else "global" for layer in range(config.layers)]
    runs = [[[name], len(list(group))] for name, group in groupby(names)]
    pair = ["global", "local"]
    alternating = names == pair * (config.layers // 2)
    return {
        "vocab_size": config.vocabulary,
        "num_layers": config.layers,
        "hidden_size": config.width,
        "num_heads": config.heads,
        "intermediate_size": config.mlp_width,
        "max_position_embeddings": config.context,
        "attention_types": [[pair, config.layers // 2]] if alternating else runs,
        "attention_layers": names,
        "window_size": config.sliding_window or 256,
        "layer_norm_epsilon": config.norm_epsilon,
        "initializer_range": config.initial_std,
        "tie_word_embeddings": config.tied_embeddings,
        "activation_function": "gelu_new",
        "attention_dropout": 0.0,
        "embed_dropout": 0.0,
        "resid_dropout": 0.0,
    }


def layout(config: ModelConfig) -> Layout:
    """Where each of our tensors lies."""
    tensors: Layout = dict(each(("weight",), "embed", "transformer.wte"))
    tensors |= each(("weight",), "positions", "transformer.wpe")
    tensors |= each(_BOTH, "norm", "transformer.ln_f")
    if not config.tied_embeddings:
        tensors |= each(("weight",), "lm_head", "lm_head")
    for index in range(config.layers):
        ours, theirs = f"blocks.{index}", f"transformer.h.{index}"
        attention = f"{theirs}.attn.attention"
        tensors |= each(_BOTH, f"{ours}.attention_norm", f"{theirs}.ln_1")
        tensors |= each(_BOTH, f"{ours}.mlp_norm", f"{theirs}.ln_2")
        tensors[f"{ours}.attention.qkv.weight"] = [
            stacked([f"{attention}.{part}_proj.weight" for part in "qkv"], [config.width] * 3)
        ]
        tensors |= each(_BOTH, f"{ours}.attention.out", f"{attention}.out_proj")
        tensors |= each(_BOTH, f"{ours}.mlp.up", f"{theirs}.mlp.c_fc")
        tensors |= each(_BOTH, f"{ours}.mlp.down", f"{theirs}.mlp.c_proj")
    return tensors
