"""phi-3-small in numpy and float64, every pair of tokens at a time: what hornbook.model must equal.

It shares nothing with hornbook.model: neither code, nor names, nor the order of rows, nor the way it works. Weights come
under the names of the original checkpoint, in its own order of rows, and the configuration with its own keys.

From Hornbook's list of facts about the phi models: LayerNorm and sequential blocks; a bias in every linear map but the
head's; tied embeddings; q, k and v as [q.., k, v] of each key head; GEGELU of interleaved inputs and its clamp that lets
infinities pass; embeddings x 10, scores / head size, logits / 8; dummy tokens' logits at the smallest number of the
dtype; rotary base 1e6; the blocksparse rule; layer i (from 0) dense iff (i + 1) % n == 0; LongRoPE's scales.
Looked up in public copies of the original repository (modeling_phi3_small.py, positional_embedding.py,
configuration_phi3_small.py): the names of tensors and keys; rotation of the halves (x1, x2) -> (x1 cos - x2 sin,
x2 cos + x1 sin); the scale without muP, 1 / sqrt(head size); the long factors once a sequence is longer than the
original length, all of it; a scale that is absent or not positive is 1 for short sequences and by formula for long ones;
`rope_position_scale` multiplies positions where there is no LongRoPE; one pattern for all heads
(`blocksparse_homo_head_pattern`) is that of head 0.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def logits(weights: dict[str, Any], config: dict[str, Any], ids: list[int]) -> Array:
    """Logits (tokens, vocabulary) of one sequence, with dummy tokens at float32's smallest number."""
    w = {name: np.asarray(tensor, dtype=np.float64) for name, tensor in weights.items()}
    x = w["model.embed_tokens.weight"][ids] * config["mup_embedding_multiplier"]
    for layer in range(config["num_hidden_layers"]):
        of_layer = {
            name.removeprefix(f"model.layers.{layer}."): tensor
            for name, tensor in w.items()
            if name.startswith(f"model.layers.{layer}.")
        }
        x = x + attention(of_layer, config, layer_norm(of_layer, "input_layernorm", config, x), layer)
        x = x + mlp(of_layer, config, layer_norm(of_layer, "post_attention_layernorm", config, x))
    x = layer_norm(w, "model.final_layernorm", config, x)
    y = x @ w["model.embed_tokens.weight"].T / config["mup_width_multiplier"]
    y[:, config["dummy_token_indices"]] = np.finfo(np.float32).min
    return y


def linear(w: dict[str, Array], name: str, x: Array) -> Array:
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def layer_norm(w: dict[str, Array], name: str, config: dict[str, Any], x: Array) -> Array:
    mean = x.mean(axis=-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(axis=-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + config["layer_norm_epsilon"]) * w[f"{name}.weight"] + w[f"{name}.bias"]


def mlp(w: dict[str, Array], config: dict[str, Any], x: Array) -> Array:
    return linear(w, "mlp.down_proj", gegelu(linear(w, "mlp.up_proj", x), config["gegelu_limit"]))


def gegelu(x: Array, limit: float) -> Array:
    a, b = x[..., 0::2], x[..., 1::2]
    a = np.where(np.isinf(a), a, np.minimum(a, limit))
    b = np.where(np.isinf(b), b, np.clip(b, -limit, limit))
    return a / (1 + np.exp(-1.702 * a)) * (b + 1)


def attention(w: dict[str, Array], config: dict[str, Any], x: Array, layer: int) -> Array:
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    size, group = config["hidden_size"] // heads, heads // kv_heads
    made = linear(w, "self_attn.query_key_value", x).reshape(len(x), kv_heads, group + 2, size)
    scale = config["mup_attn_multiplier"] / size if config["mup_use_scaling"] else 1 / math.sqrt(size)
    y = np.empty((len(x), heads, size))
    for head in range(heads):
        q = rotate(made[:, head // group, head % group], config)
        k = rotate(made[:, head // group, group], config)
        v = made[:, head // group, group + 1]
        for query in range(len(x)):
            keys = [key for key in range(query + 1) if sees(config, layer, head, query, key)]
            scores = k[keys] @ q[query] * scale
            shares = np.exp(scores - scores.max())
            y[query, head] = shares @ v[keys] / shares.sum()
    return linear(w, "self_attn.dense", y.reshape(len(x), heads * size))


def sees(config: dict[str, Any], layer: int, head: int, query: int, key: int) -> bool:
    """Whether the token at `query` sees the one at `key` in this layer and head."""
    every = config["dense_attention_every_n_layers"]
    if every and (layer + 1) % every == 0:
        return key <= query
    stride, heads = config["blocksparse_vert_stride"], config["num_attention_heads"]
    step = 0 if config["blocksparse_homo_head_pattern"] else max(1, stride // heads)
    q, k = query // config["blocksparse_block_size"], key // config["blocksparse_block_size"]
    near = q - k < config["blocksparse_num_local_blocks"]
    return key <= query and (near or (k + head * step + 1) % stride == 0)


def rotate(x: Array, config: dict[str, Any]) -> Array:
    """x: (tokens, head size), at positions 0, 1, 2..."""
    length, half = len(x), x.shape[1] // 2
    turns = 1.0 / config["rope_embedding_base"] ** (np.arange(half) / half)
    positions, scale = np.arange(length) * config["rope_position_scale"], 1.0
    rope = config["rope_scaling"]
    if rope is not None:
        original = rope["original_max_position_embeddings"]
        regime = "long" if length > original else "short"
        formula = math.sqrt(1 + math.log(config["max_position_embeddings"] / original) / math.log(original))
        given = rope.get(f"{regime}_mscale", -1)
        scale = given if given > 0 else {"long": formula, "short": 1.0}[regime]
        turns = turns / np.array(rope[f"{regime}_factor"])
        positions = np.arange(length)
    angles = positions[:, None] * turns
    cosine, sine = np.cos(angles) * scale, np.sin(angles) * scale
    first, second = x[:, :half], x[:, half:]
    return np.concatenate([first * cosine - second * sine, second * cosine + first * sine], axis=1)
