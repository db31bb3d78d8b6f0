"""phi-3-small: the original Phi3SmallForCausalLM, which transformers does not have.

Its q, k and v lie group by group, the query heads of a key head before that key and its value; its up projection holds
GEGELU's two inputs in turn, row by row. Ours hold all of one kind, then all of the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hornbook.model.config import BlockSparse, ModelConfig
from hornbook.model.formats.layout import Layout, Part, Parts, each, rows
from hornbook.model.formats.published import Published, Rope

if TYPE_CHECKING:
    from torch import Tensor

MODEL_TYPES: tuple[str, ...] = ("phi3small",)
ARCHITECTURE = "Phi3SmallForCausalLM"

_BOTH = ("weight", "bias")


def published_dummies(vocabulary: int) -> tuple[int, ...]:
    """Ids that the published tokenizer (cl100k_base, padded to 100,352) never uses: they are not in config.json."""
    used = {100_257, 100_261, 100_262, 100_263, 100_266}
    return tuple(sorted(set(range(100_256, 100_352)) - used)) if vocabulary == 100_352 else ()


def read(file: Published) -> ModelConfig:
    """The configuration that a config.json describes."""
    file.must("hidden_act", "gegelu")
    file.must("rope_position_scale", 1.0)
    width, heads = file.shape("hidden_size", "num_attention_heads")
    vocabulary = file.positive("vocab_size")
    rope = file.rope(theta=10_000.0)
    if rope.share != 1:
        file.refuse(f"partial_rotary_factor {rope.share!r} is not supported; 1.0 is")
    original = rope.scaling.get("original_max_position_embeddings") or file.get("original_max_position_embeddings")
    if rope.scaling and not original:
        file.refuse("the rope key 'original_max_position_embeddings' is missing")
    return file.build(
        vocabulary=vocabulary,
        layers=file.need("num_hidden_layers"),
        width=width,
        heads=heads,
        kv_heads=file.get("num_key_value_heads", heads),
        mlp_width=_inner(file, width),
        context=file.need("max_position_embeddings"),
        norm="layer",
        norm_epsilon=file.need("layer_norm_epsilon"),
        activation="gegelu",
        gegelu_limit=file.get("gegelu_limit", float("inf")),
        rope_theta=file.get("rope_embedding_base", 1_000_000.0),
        longrope=file.longrope(rope, original, _scales(file, rope)),
        attention=_attention(file),
        blocksparse={
            "block": file.get("blocksparse_block_size", 64),
            "local_blocks": file.get("blocksparse_num_local_blocks", 16),
            "stride": file.get("blocksparse_vert_stride", 8),
            "same_for_heads": file.get("blocksparse_homo_head_pattern", False),
        },
        qkv_bias=True,
        out_bias=True,
        mlp_bias=True,
        embedding_scale=file.number("mup_embedding_multiplier", 0.0) or 1.0,
        attention_scale=_attention_scale(file, width / heads),
        logit_scale=1.0 / (file.number("mup_width_multiplier", 0.0) or 1.0),
        dummy_tokens=file.get("dummy_token_indices", published_dummies(vocabulary)),
        initial_std=file.get("initializer_range", 0.02),
        tied_embeddings=file.get("tie_word_embeddings", True),
    )


def _inner(file: Published, width: int) -> Any:
    """The inner size of the MLP: given, or computed from a multiplier and padded."""
    if file.get("ff_dim_multiplier") is None:
        return file.need("ff_intermediate_size")
    inner = int(file.number("ff_dim_multiplier") * (width // 3) * 2)
    return -(-inner // 256) * 256 if file.get("gegelu_pad_to_256", True) else inner


def _attention(file: Published) -> tuple[str, ...]:
    """Layer i, counted from 0, is dense if i + 1 is a multiple of `dense_attention_every_n_layers`."""
    every = file.get("dense_attention_every_n_layers") and file.positive("dense_attention_every_n_layers")
    if every and every > file.positive("num_hidden_layers"):
        every = None
    return ("sparse",) * (every - 1) + ("full",) if every else ("sparse",)


def _attention_scale(file: Published, size: float) -> float | None:
    if not file.get("mup_use_scaling", True):
        return None
    return float(file.number("mup_attn_multiplier", 1.0) / size)


def _scales(file: Published, rope: Rope) -> tuple[Any, Any]:
    """1 for short sequences and by formula for long ones, unless a positive number is given."""
    given = [rope.scaling.get(key, -1) for key in ("short_mscale", "long_mscale")]
    for value in given:
        if isinstance(value, bool) or not isinstance(value, int | float):
            file.refuse(f"the rope scale {value!r} is no number")
    return given[0] if given[0] > 0 else 1.0, given[1] if given[1] > 0 else None


def write(config: ModelConfig) -> dict[str, Any]:
    """The config.json of `config`, as far as this format holds it."""
    kinds = [config.kind(layer) for layer in range(config.layers)]
    sparse = config.blocksparse or BlockSparse()
    scaling = None
    if config.longrope is not None:
        short, long = config.longrope.scales(config.context)
        scaling = {
            "type": "longrope",
            "short_factor": list(config.longrope.short),
            "long_factor": list(config.longrope.long),
            "short_mscale": short,
            "long_mscale": long,
            "original_max_position_embeddings": config.longrope.original,
        }
    return {
        "vocab_size": config.vocabulary,
        "num_hidden_layers": config.layers,
        "hidden_size": config.width,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.key_value_heads,
        "ff_intermediate_size": config.mlp_width,
        "ff_dim_multiplier": None,
        "max_position_embeddings": config.context,
        "rope_embedding_base": config.rope_theta,
        "rope_position_scale": 1.0,
        "rope_scaling": scaling,
        "layer_norm_epsilon": config.norm_epsilon,
        "initializer_range": config.initial_std,
        "tie_word_embeddings": config.tied_embeddings,
        "hidden_act": "gegelu",
        "gegelu_limit": None if config.gegelu_limit == float("inf") else config.gegelu_limit,
        "dense_attention_every_n_layers": kinds.index("full") + 1 if "full" in kinds else None,
        "blocksparse_block_size": sparse.block,
        "blocksparse_triton_kernel_block_size": sparse.block,
        "blocksparse_num_local_blocks": sparse.local_blocks,
        "blocksparse_vert_stride": sparse.stride,
        "blocksparse_homo_head_pattern": sparse.same_for_heads,
        "mup_use_scaling": config.attention_scale is not None,
        "mup_attn_multiplier": (config.attention_scale or 1.0) * config.head_size,
        "mup_embedding_multiplier": config.embedding_scale,
        "mup_width_multiplier": 1.0 / config.logit_scale,
        "dummy_token_indices": sorted(config.dummy_tokens),
        "attention_dropout_prob": 0.0,
        "embedding_dropout_prob": 0.0,
        "ffn_dropout_prob": 0.0,
    }


def layout(config: ModelConfig) -> Layout:
    """Where each of our tensors lies."""
    tensors: Layout = dict(each(("weight",), "embed", "model.embed_tokens"))
    tensors |= each(_BOTH, "norm", "model.final_layernorm")
    if not config.tied_embeddings:
        tensors |= each(("weight",), "lm_head", "lm_head")
    for index in range(config.layers):
        ours, theirs = f"blocks.{index}", f"model.layers.{index}"
        tensors |= each(_BOTH, f"{ours}.attention_norm", f"{theirs}.input_layernorm")
        tensors |= each(_BOTH, f"{ours}.mlp_norm", f"{theirs}.post_attention_layernorm")
        for kind in _BOTH:
            qkv, up = f"{theirs}.self_attn.query_key_value.{kind}", f"{theirs}.mlp.up_proj.{kind}"
            tensors[f"{ours}.attention.qkv.{kind}"] = [_grouped(config, qkv)]
            tensors[f"{ours}.mlp.gate_up.{kind}"] = [_in_turn(config, up)]
        tensors |= each(_BOTH, f"{ours}.attention.out", f"{theirs}.self_attn.dense")
        tensors |= each(_BOTH, f"{ours}.mlp.down", f"{theirs}.mlp.down_proj")
    return tensors


def _in_turn(config: ModelConfig, name: str) -> Parts:
    """GEGELU's inputs: the gate in the even rows, the linear one in the odd rows."""
    inner = config.mlp_width
    return (
        Part(name, rows(0, inner), lambda theirs: theirs[0::2]),
        Part(name, rows(inner, 2 * inner), lambda theirs: theirs[1::2]),
    )


def _grouped(config: ModelConfig, name: str) -> Parts:
    """q, k, v of a key head together: [its query heads, k, v], then the next key head's."""
    groups, size = config.key_value_heads, config.head_size
    of_group = config.heads // groups
    queries, keys = config.heads * size, groups * size

    def part(start: int, end: int, first: int, count: int) -> Part:
        def of_ours(ours: Tensor) -> Tensor:
            return ours[start:end].view(groups, count, size, *ours.shape[1:])

        def of_theirs(theirs: Tensor) -> Tensor:
            return theirs.view(groups, of_group + 2, size, *theirs.shape[1:])[:, first : first + count]

        return Part(name, of_ours, of_theirs)

    return (
        part(0, queries, 0, of_group),
        part(queries, queries + keys, of_group, 1),
        part(queries + keys, queries + 2 * keys, of_group + 1, 1),
    )
