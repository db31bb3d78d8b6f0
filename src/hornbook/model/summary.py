"""What a model is and costs, read off its configuration: nothing is built."""

from __future__ import annotations

from dataclasses import dataclass

from hornbook.display import plural
from hornbook.model.config import AttentionKind, ModelConfig
from hornbook.model.formats import quantization
from hornbook.model.formats.quantization import Quantization


@dataclass(frozen=True)
class Costs:
    """Sizes in bytes, counts, and operations.

    int8 counts a byte a weight, scales left out. quantized: by the name of each format, None where a matrix's rows
    cannot be cut into its groups. cache: keys and values in 16 bits; `cache_per_token` is what a further token adds
    before any window is full. flops_per_token: of one token's forward pass at the end of `length` tokens.
    """

    parameters: int
    active_parameters: int
    fp32: int
    bf16: int
    int8: int
    quantized: dict[str, int | None]
    cache_per_token: int
    cache_at_context: int
    length: int
    flops_per_token: int


def costs(config: ModelConfig, length: int | None = None) -> Costs:
    """All of a model's figures; `length` in tokens is the whole context unless given."""
    length = config.context if length is None else length
    total = config.parameters()
    return Costs(
        parameters=total,
        active_parameters=config.parameters(active=True),
        fp32=4 * total,
        bf16=2 * total,
        int8=total,
        quantized={one.name: quantized_bytes(config, one) for one in quantization.QUANTIZATIONS},
        cache_per_token=config.cache_bytes_per_token(),
        cache_at_context=cache_bytes(config, config.context),
        length=length,
        flops_per_token=config.flops_per_token(length),
    )


def cache_bytes(config: ModelConfig, length: int, bytes_per_value: int = 2) -> int:
    """Bytes of one sequence's keys and values after `length` tokens; a window layer holds its window alone."""
    layer = config.cache_bytes_per_token(bytes_per_value) // config.layers
    return sum(layer * _held(config, config.kind(index), length) for index in range(config.layers))


def _held(config: ModelConfig, kind: AttentionKind, length: int) -> int:
    return min(length, config.sliding_window or length) if kind == "window" else length


def matrix_weights(config: ModelConfig) -> int:
    """Weights that quantizing touches: all but norms, biases, routers and learned positions."""
    switched = {"qkv_bias": False, "out_bias": False, "mlp_bias": False, "lm_head_bias": False}
    norm = config.width * (2 if config.norm == "layer" else 1)
    norms = 1 + config.layers * (1 if config.block == "parallel" else 2)
    routers = config.layers * config.width * config.experts.count if config.experts is not None else 0
    positions = config.context * config.width if config.positions == "learned" else 0
    return config.model_copy(update=switched).parameters() - norms * norm - routers - positions


def quantized_bytes(config: ModelConfig, form: Quantization) -> int | None:
    """Bytes with every matrix quantized, the rest in fp32; None where rows cannot be cut into groups."""
    if not all(form.fits(n) for n in (config.width, config.heads * config.head_size, config.mlp_width)):
        return None
    matrices = matrix_weights(config)
    return form.bytes(matrices) + 4 * (config.parameters() - matrices)


def attention_in_words(config: ModelConfig) -> str:
    """What is special about the attention, in a word or two: `full`, `window 2,047`, `sparse/full`, `LongRoPE ×32`."""
    if config.longrope is not None:
        return f"LongRoPE ×{config.context / config.longrope.original:g}"
    if config.rope_scaling is not None:
        return f"{config.rope_scaling.kind} ×{config.rope_scaling.factor:g}"
    words = {"full": "full", "window": f"window {config.sliding_window or 0:,}", "sparse": "sparse"}
    return "/".join(dict.fromkeys(words[config.kind(layer)] for layer in range(config.layers)))


def describe(config: ModelConfig) -> dict[str, str]:
    """The architecture in words, part by part."""
    heads = f"{plural(config.heads, 'head')} of {config.head_size}"
    if config.key_value_heads != config.heads:
        heads += f", {config.key_value_heads} of keys and values"
    return {
        "block": "attention and MLP side by side behind one norm"
        if config.block == "parallel"
        else "attention, then MLP, each behind a norm",
        "norm": f"{'layer norm' if config.norm == 'layer' else 'RMS norm'}, epsilon {config.norm_epsilon:g}",
        "attention": f"{heads}; {_seen_in_words(config)}",
        "positions": _positions_in_words(config),
        "mlp": _mlp_in_words(config),
        "biases": _biases_in_words(config),
        "vocabulary": f"{config.vocabulary:,} tokens, "
        + ("one matrix for input and output" if config.tied_embeddings else "input and output matrices apart"),
    }


def _seen_in_words(config: ModelConfig) -> str:
    told = {
        "full": "all that came before",
        "window": f"the last {config.sliding_window or 0:,} tokens",
        "sparse": "",
    }
    if config.sliding_window is not None and config.sliding_window >= config.context:
        told["window"] = told["full"]
    if config.blocksparse is not None:
        pattern = config.blocksparse
        told["sparse"] = (
            f"blocks of {pattern.block} tokens, the {pattern.local_blocks} nearest and of the others one in "
            f"{pattern.stride}"
        )
    kinds = dict.fromkeys(told[config.kind(layer)] for layer in range(config.layers))
    return "layers in turn see " + " / ".join(kinds) if len(kinds) > 1 else f"every layer sees {next(iter(kinds))}"


def _positions_in_words(config: ModelConfig) -> str:
    if config.positions == "learned":
        return "learned, one vector each"
    words = f"rotary, theta {config.rope_theta:,.0f}"
    if config.rotary_share < 1:
        words += f", {config.rotary_size} of a head's {config.head_size} dimensions"
    if config.longrope is not None:
        words += f"; LongRoPE beyond {config.longrope.original:,} tokens"
    if config.rope_scaling is not None:
        words += f"; slowed down {config.rope_scaling.factor:g} times ({config.rope_scaling.kind})"
    return words


def _mlp_in_words(config: ModelConfig) -> str:
    activation = {"swiglu": "SwiGLU", "gegelu": f"GEGELU clamped to {config.gegelu_limit:g}", "gelu": "GELU (tanh)"}
    words = f"{activation[config.activation]}, {config.mlp_width:,} inside"
    if config.experts is not None:
        words += f"; {config.experts.count} experts, {config.experts.chosen} for each token"
    return words


def _biases_in_words(config: ModelConfig) -> str:
    where = {
        "queries, keys and values": config.qkv_bias,
        "attention's output": config.out_bias,
        "MLP": config.mlp_bias,
        "output matrix": config.lm_head_bias,
    }
    return ", ".join(part for part, there in where.items() if there) or "none"
