"""The models that a GGUF file may hold: its keys as a configuration, its tensors under their published names.

llama.cpp's names for architectures, keys and tensors are those of gguf/constants.py; what its converter does to keys
and tensors is in its conversion/llama.py and conversion/phi.py.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydantic import ValidationError

from hornbook.model.config import LongRope, ModelConfig, RopeScaling
from hornbook.model.formats.gguf.header import Header
from hornbook.model.formats.gguf.tensors import Rows, numbers
from hornbook.model.rope import frequencies
from hornbook.settings import where_and_what

FACTORS = ("rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight")


@dataclass(frozen=True)
class Family:
    """One of llama.cpp's architectures.

    format: the model_type of its published folder. epsilon: the key of the norms'. switches: what all of its models
    have in common. permuted: whether the converter reorders the rows of q and k.
    """

    format: str
    epsilon: str
    switches: Mapping[str, Any]
    permuted: bool = False
    more: Callable[[Header], dict[str, Any]] = field(default=lambda header: {})


def _llama(header: Header) -> dict[str, Any]:
    if header.get("llama.expert_count", 0):
        header.refuse("a mixture of experts (llama.expert_count) is not supported; dense llama models are")
    held = header.tensors
    # LlamaForCausalLM has all four biases of attention, all three of the MLP, or none: those that lack are zeros.
    attention = any(f"blk.0.attn_{part}.bias" in held for part in ("q", "k", "v", "qkv", "output"))
    mlp = any(f"blk.0.ffn_{part}.bias" in held for part in ("gate", "up", "down"))
    return {"qkv_bias": attention, "out_bias": attention, "mlp_bias": mlp}


def _phi3(header: Header) -> dict[str, Any]:
    return {"sliding_window": header.whole("phi3.attention.sliding_window", 0) or None}  # 0: none, as in phi-4


FAMILIES: dict[str, Family] = {
    "llama": Family("llama", "layer_norm_rms_epsilon", {}, permuted=True, more=_llama),
    "phi2": Family(
        "phi",
        "layer_norm_epsilon",
        {"norm": "layer", "block": "parallel", "activation": "gelu"}
        | dict.fromkeys(("qkv_bias", "out_bias", "mlp_bias", "lm_head_bias"), True),
    ),
    "phi3": Family("phi3", "layer_norm_rms_epsilon", {}, more=_phi3),
}

# Published names of modules, and llama.cpp's. Those of layers follow `model.layers.N.` and `blk.N.`
MODULES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "model.final_layernorm": "output_norm",
    "lm_head": "output",
}
LAYERS = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.qkv_proj": "attn_qkv",
    "self_attn.o_proj": "attn_output",
    "self_attn.dense": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.gate_up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "mlp.fc1": "ffn_up",
    "mlp.fc2": "ffn_down",
}
LAYER = re.compile(r"model\.layers\.(\d+)\.(.+)")


def family_of(header: Header) -> Family:
    """The architecture that a file is of. Raises UserError for one that is not supported, or for no model."""
    kind = header.get("general.type", "model")
    if kind != "model":
        header.refuse(f"general.type is {kind!r:.60}; a file of a whole model is needed")
    if isinstance(pieces := header.get("split.count", 0), int) and pieces > 1:
        header.refuse(f"one of {pieces} files of a split model; join them with `llama-gguf-split --merge` of llama.cpp")
    name = header.get("general.architecture")
    if not isinstance(name, str) or name not in FAMILIES:
        header.refuse(f"general.architecture is {name!r:.60}; supported are {', '.join(FAMILIES)}")
    return FAMILIES[name]


def config_of(header: Header, family: Family) -> ModelConfig:
    """The configuration of the model. Raises UserError that names the key that is missing or not supported."""
    arch = str(header.get("general.architecture"))
    width, heads = header.whole(f"{arch}.embedding_length"), header.whole(f"{arch}.attention.head_count")
    if not heads or not width:
        header.refuse(f"{arch}.attention.head_count is {heads} and {arch}.embedding_length {width}")
    size = header.whole(f"{arch}.attention.key_length", width // heads)
    # Before a model of these sizes is laid out, which could be larger than numbers are.
    for name, columns in (("token_embd", width), ("blk.0.attn_output", heads * size), ("blk.0.ffn_down", None)):
        shape = header.tensors[f"{name}.weight"].shape if f"{name}.weight" in header.tensors else ()
        if len(shape) != 2:
            header.refuse(f"it lacks the matrix {name}.weight; a file of a whole model is needed")
        if columns not in (None, shape[1]):
            header.refuse(f"the tensor {name}.weight is {shape}, the file's keys ask for {columns} columns")
    if header.whole(f"{arch}.attention.value_length", size) != size:
        header.refuse(f"{arch}.attention.key_length and value_length differ, which is not supported")
    turned = header.whole(f"{arch}.rope.dimension_count", size)
    share = turned / size if size else 1.0
    layers = header.whole(f"{arch}.block_count")
    if layers > len(header.tensors):  # before a model of so many layers is laid out
        header.refuse(f"{arch}.block_count is {layers}; there are {len(header.tensors)} tensors")
    fields = {
        "format": family.format,
        "vocabulary": header.tensors["token_embd.weight"].shape[0],
        "layers": layers,
        "width": width,
        "heads": heads,
        "kv_heads": header.whole(f"{arch}.attention.head_count_kv", heads),
        "head_dim": size if size * heads != width else None,
        "mlp_width": header.tensors["blk.0.ffn_down.weight"].shape[1],
        "context": header.whole(f"{arch}.context_length"),
        "norm_epsilon": header.number(f"{arch}.attention.{family.epsilon}"),
        "rope_theta": header.number(f"{arch}.rope.freq_base", 10_000.0),
        "rotary_share": share if int(size * share) == turned else math.nextafter(share, math.inf),
        "tied_embeddings": "output.weight" not in header.tensors,
        **family.switches,
        **family.more(header),
    }
    try:
        plain = ModelConfig(**fields)
        return ModelConfig(**fields, **_positions(header, arch, plain))
    except ValidationError as error:
        key, message = where_and_what(error.errors()[0])
        header.refuse(f"{key or 'shape'}: {message}")


def _positions(header: Header, arch: str, config: ModelConfig) -> dict[str, Any]:
    """How rotary positions are scaled: by the factors that the file holds as tensors, or by one number."""
    freqs, long, short = (_factors(header, name, config.rotary_size // 2) for name in FACTORS)
    kind = header.get(f"{arch}.rope.scaling.type", "none")
    if kind not in ("none", "linear", "longrope"):
        header.refuse(f"{arch}.rope.scaling.type is {kind!r:.60}; supported are none, linear and longrope")
    if long is not None and short is not None:
        original = header.whole(f"{arch}.rope.scaling.original_context_length", config.context)
        longrope = LongRope(original=original, short=_decimals(short), long=_decimals(long))
        scale = header.get(f"{arch}.rope.scaling.attn_factor")
        if scale is not None and not math.isclose(scale, longrope.scales(config.context)[0], rel_tol=1e-6):
            longrope = LongRope(**longrope.model_dump() | {"short_scale": scale, "long_scale": scale})
        return {"longrope": longrope}
    if (long is None) != (short is None) or (kind == "longrope" and long is None):
        header.refuse("of the tensors rope_factors_long and rope_factors_short one is missing")
    if freqs is not None and any(one != 1 for one in freqs):
        scaling = llama3(freqs, config)
        if scaling is not None:
            return {"rope_scaling": scaling}
        # Any other list of factors is LongRoPE's with one list for all lengths, cosine and sine as they are.
        factors = _decimals(freqs)
        return {"longrope": LongRope(original=config.context, short=factors, long=factors, short_scale=1, long_scale=1)}
    factor = header.number(f"{arch}.rope.scaling.factor", header.number(f"{arch}.rope.scale_linear", 1.0))
    return {"rope_scaling": RopeScaling(kind="linear", factor=factor)} if factor != 1 and kind != "longrope" else {}


def _factors(header: Header, name: str, count: int) -> list[float] | None:
    """A factor for each pair of dimensions that is turned, None where the file has no such tensor."""
    if name not in header.tensors:
        return None
    found = numbers(header.file, header.tensors[name])
    if len(found) != count or not all(0 < one < math.inf for one in found):
        header.refuse(f"the tensor {name} holds {len(found)} numbers; {count} positive factors are needed")
    return found


def _decimals(factors: list[float]) -> tuple[float, ...]:
    """fp32 numbers as the shortest decimals that mean them: 1.08 in place of 1.0800000429153442."""
    return tuple(float(str(np.float32(one))) for one in factors)


def llama3(factors: list[float], config: ModelConfig) -> RopeScaling | None:
    """The llama3 scaling whose factors these are, within fp32's rounding; None where no such scaling has them.

    A pair's factor f between 1 and the largest, F, tells its share s = (1/f - 1/F) / (1 - 1/F), which is linear in the
    pair's turns: s = (original * turns - low) / (high - low). Of the three, the published original and low are taken
    where they fit; otherwise the line through the pairs' shares tells low and high for the published original.
    """
    if min(factors) < 1:
        return None
    largest = max(factors)
    candidates = [RopeScaling(kind="llama3", factor=float(str(np.float32(largest))))]
    turns = frequencies(config).double().numpy() / (2 * math.pi)
    f = np.array(factors)
    between = (f > 1) & (f < largest)
    if between.sum() > 1:
        shares = (1 / f[between] - 1 / largest) / (1 - 1 / largest)
        slope, start = np.polyfit(turns[between], shares, 1)
        span = candidates[0].original / slope
        low, high = (float(f"{one:.6g}") for one in (-start * span, -start * span + span))
        if 0 < low < high:
            candidates.append(candidates[0].model_copy(update={"low_freq_factor": low, "high_freq_factor": high}))
    for scaling in candidates:
        made = frequencies(config) / frequencies(config.model_copy(update={"rope_scaling": scaling}))
        if np.allclose(made.numpy(), f, rtol=2e-6, atol=0):
            return scaling
    return None


def parts_of(
    name: str, shape: tuple[int, ...], header: Header, family: Family, config: ModelConfig
) -> list[Rows | int]:
    """Where the published tensor `name` lies in a file: which rows of which stored tensors make it.

    Raises UserError where one is missing or has another shape.
    """
    module, _, kind = name.rpartition(".")
    layer = LAYER.fullmatch(module)
    if layer is None:
        return [_rows(f"{MODULES[module]}.{kind}", shape, header)]
    inner = layer[2]

    def stored(one: str) -> str:
        return f"blk.{layer[1]}.{one}.{kind}"

    heads = (config.heads, config.key_value_heads, config.key_value_heads)
    sizes = [count * config.head_size for count in heads]
    fused = stored("attn_qkv")
    if inner == "self_attn.qkv_proj" and fused not in header.tensors:
        return [
            _rows(stored(f"attn_{one}"), (size, *shape[1:]), header) for one, size in zip("qkv", sizes, strict=True)
        ]
    if inner == "mlp.gate_up_proj" and stored("ffn_gate") in header.tensors:
        return [_rows(stored(one), (config.mlp_width, *shape[1:]), header) for one in ("ffn_gate", "ffn_up")]
    theirs = stored(LAYERS[inner])
    at = {"self_attn.q_proj": 0, "self_attn.k_proj": 1, "self_attn.v_proj": 2}.get(inner)
    permuted = heads[at] if at in (0, 1) and family.permuted else None
    if at is not None and fused in header.tensors:
        return [_rows(fused, (sum(sizes), *shape[1:]), header, sum(sizes[:at]), sizes[at], permuted)]
    if kind == "bias" and family.format == "llama" and theirs not in header.tensors:
        return [shape[0]]
    return [_rows(theirs, shape, header, heads=permuted)]


def _rows(
    name: str,
    shape: tuple[int, ...],
    header: Header,
    start: int = 0,
    count: int | None = None,
    heads: int | None = None,
) -> Rows:
    """`count` rows, all unless given, of a stored tensor that must have this shape."""
    if name not in header.tensors:
        header.refuse(f"it lacks the tensor {name}")
    tensor = header.tensors[name]
    if tensor.shape != shape:
        header.refuse(f"the tensor {name} is {tensor.shape}, the file's keys ask for {shape}")
    return Rows(tensor, start, start + (shape[0] if count is None else count), heads)
