"""A model folder becomes a GGUF file, which llama.cpp, Ollama and LM Studio run: `read` makes the same model of it.

The keys and tensors are those that llama.cpp's converter writes (its conversion/llama.py and conversion/phi.py).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import gguf
import numpy as np
import torch
from gguf.constants import GGMLQuantizationType, LlamaFileType
from pydantic import Field

from hornbook.errors import UserError
from hornbook.files import whole
from hornbook.model.config import ModelConfig
from hornbook.model.formats import checkpoint
from hornbook.model.formats.architectures import architecture_for
from hornbook.model.formats.gguf.architectures import FAMILIES, LAYER, LAYERS, MODULES, Family
from hornbook.model.formats.gguf.quantized import Packed, gathered
from hornbook.model.formats.gguf.vocabulary_writing import vocabulary_keys
from hornbook.model.formats.quantized import QuantizedLayer
from hornbook.model.formats.weights import Written
from hornbook.model.lora import merge
from hornbook.model.rope import frequencies
from hornbook.model.tokenizers import Tokenizer
from hornbook.model.transformer import Transformer
from hornbook.progress import Progress
from hornbook.settings import Settings

Kind = GGMLQuantizationType
Type = Literal["f32", "f16", "bf16", "q8_0", "q4_0", "q4_k_m"]
_PHI3 = {"<unk>", "<s>", "</s>", "<|endoftext|>"}
_KINDS = {"f32": Kind.F32, "f16": Kind.F16, "bf16": Kind.BF16, "q8_0": Kind.Q8_0, "q4_0": Kind.Q4_0}
_FILE_TYPES = {
    "f32": LlamaFileType.ALL_F32,
    "f16": LlamaFileType.MOSTLY_F16,
    "bf16": LlamaFileType.MOSTLY_BF16,
    "q8_0": LlamaFileType.MOSTLY_Q8_0,
    "q4_0": LlamaFileType.MOSTLY_Q4_0,
    "q4_k_m": LlamaFileType.MOSTLY_Q4_K_M,
}


class ExportSettings(Settings):
    """How a folder becomes a file."""

    type: Type = Field("f16", description="of the matrices; q4_k_m is made by llama.cpp's own quantiser")


def export(folder: Path, settings: ExportSettings, *, into: Path, progress: Progress) -> dict[str, Any]:
    """Write `into/model-TYPE.gguf` of the model folder `folder`; returns what is told of it.

    Matrices that are quantized already keep their numbers at the type of as many bits, and become floats at others.
    Raises UserError with one line for what the format does not hold: architectures and tokenizers that llama.cpp does
    not know, quantized matrices at a type of other bits, or with zero points.
    """
    model = merge(checkpoint.load(folder))
    _check_quantized(model, folder, settings.type)
    tokenizer = Tokenizer(folder)
    path = into / f"model-{settings.type}.gguf"
    into.mkdir(parents=True, exist_ok=True)
    if settings.type == "q4_k_m":
        _by_llama_cpp(model, tokenizer, folder, path, progress)
    else:
        with whole(path) as temporary:
            _write(model, tokenizer, folder, temporary, settings.type, progress)
    return {
        "file": path.name,
        "type": settings.type,
        "parameters": model.config.parameters(),
        "bytes": path.stat().st_size,
        "bits_per_weight": round(8 * path.stat().st_size / model.config.parameters(), 3),
    }


def _check_quantized(model: Transformer, folder: Path, type_: str) -> None:
    """Refuse to round again what is rounded already."""
    forms = [module.form for module in model.blocks.modules() if isinstance(module, QuantizedLayer)]
    if not forms or type_ in ("f32", "f16", "bf16"):
        return
    form, told = forms[0], f"{folder} is quantized to {forms[0].title}"
    if not form.symmetric:
        raise UserError(f"{told} with zero points, which {type_} lacks; export it with --type f16")
    same = "q4_0" if form.bits == 4 else "q8_0"
    if type_ != same:
        raise UserError(f"{told}; --type {same} keeps its numbers, f16 is for all programs, {type_} would round again")


def _by_llama_cpp(model: Transformer, tokenizer: Tokenizer, folder: Path, path: Path, progress: Progress) -> None:
    """Have llama.cpp's own quantiser make K-quants of an f32 file."""
    try:
        import llama_cpp
    except ImportError:
        raise UserError(
            "q4_k_m is made by llama.cpp's own quantiser: `pip install llama-cpp-python`, or have its `llama-quantize` "
            "make it of what --type f32 writes"
        ) from None
    wide = path.with_name("model-wide.tmp.gguf")
    try:
        _write(model, tokenizer, folder, wide, "f32", progress)
        wanted = llama_cpp.llama_model_quantize_default_params()
        wanted.ftype = llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_K_M
        with whole(path) as temporary:
            failed = llama_cpp.llama_model_quantize(str(wide).encode(), str(temporary).encode(), wanted)
            if failed:
                raise UserError(f"llama.cpp's quantiser failed on {folder} with code {failed}")
    finally:
        with contextlib.suppress(OSError):
            wide.unlink()


def _write(model: Transformer, tokenizer: Tokenizer, folder: Path, path: Path, type_: str, progress: Progress) -> None:
    """Write the file; tensors are converted one after the other."""
    config, architecture = model.config, architecture_for(model.config)
    name, family = _family(architecture.MODEL_TYPES[0], folder)
    writer = gguf.GGUFWriter(path, name)
    keys = _keys(config, name, family, folder) | vocabulary_keys(folder, tokenizer, config.vocabulary, family.format)
    keys["general.name"] = _title(folder.resolve().name, name, keys["tokenizer.ggml.tokens"])
    keys["general.file_type"] = int(_FILE_TYPES[type_])
    for key, value in keys.items():
        _add(writer, key, value)
    layout = architecture.layout(config)
    state = model.state_dict()
    written = gathered(checkpoint.published(model, layout, {one: tensor.dtype for one, tensor in state.items()}))
    plan = [(_named(theirs), theirs, _kind(_named(theirs), tensor, type_)) for theirs, tensor in written.items()]
    more = _factors(config)
    for named, theirs, kind in plan:
        shape = written[theirs].shape
        held = gguf.quant_shape_to_byte_shape(shape, kind) if kind not in (Kind.F32, Kind.F16) else shape
        dtype = np.dtype({Kind.F32: "f4", Kind.F16: "f2"}.get(kind, "u1"))
        writer.add_tensor_info(named, held, dtype, int(np.prod(held)) * dtype.itemsize, raw_dtype=kind)
    for named, values in more.items():
        writer.add_tensor_info(named, values.shape, values.dtype, values.nbytes, raw_dtype=Kind.F32)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    with progress.task("write tensors", len(plan)) as task:
        for _, theirs, kind in plan:
            writer.write_tensor_data(_ordered(_data(written[theirs], kind), theirs, family, config))
            task.advance()
    for values in more.values():
        writer.write_tensor_data(values)
    writer.close()


def _family(format_: str, folder: Path) -> tuple[str, Family]:
    for name, family in FAMILIES.items():
        if family.format == format_:
            return name, family
    known = ", ".join(family.format for family in FAMILIES.values())
    raise UserError(f"{folder}: model_type {format_} is not exported; {known} are")


def _title(named: str, arch: str, tokens: Sequence[str]) -> str:
    """The model's name, by which llama.cpp knows phi-3's control tokens: it refuses a phi-3 that lacks one of these."""
    if arch == "phi3" and set(tokens) >= _PHI3:
        return named if "phi-3" in named.lower() else f"phi-3 {named}"
    return re.sub("phi-?3", "phi 3", named, flags=re.IGNORECASE)


def _keys(config: ModelConfig, arch: str, family: Family, folder: Path) -> dict[str, Any]:
    """The model's keys, as `architectures.config_of` reads them."""
    longrope = config.longrope
    if longrope is not None and (arch != "phi3" or longrope.start_tokens):
        raise UserError(f"{folder}: LongRoPE is exported for phi3 alone, and without start tokens")
    keys: dict[str, Any] = {
        f"{arch}.context_length": config.context,
        f"{arch}.embedding_length": config.width,
        f"{arch}.feed_forward_length": config.mlp_width,
        f"{arch}.block_count": config.layers,
        f"{arch}.attention.head_count": config.heads,
        f"{arch}.attention.head_count_kv": config.key_value_heads,
        f"{arch}.attention.{family.epsilon}": config.norm_epsilon,
        f"{arch}.rope.dimension_count": config.rotary_size,
        f"{arch}.rope.freq_base": config.rope_theta,
        f"{arch}.vocab_size": config.vocabulary,
    }
    if config.head_size * config.heads != config.width:
        keys |= {f"{arch}.attention.{part}_length": config.head_size for part in ("key", "value")}
    if arch == "phi3":
        keys[f"{arch}.rope.scaling.original_context_length"] = longrope.original if longrope else config.context
        keys[f"{arch}.attention.sliding_window"] = (config.sliding_window or 0) if config.kind(0) == "window" else 0
    if longrope is not None:
        short, long = longrope.scales(config.context)
        if short != long:
            raise UserError(f"{folder}: GGUF holds one factor of attention, LongRoPE here has {short} and {long}")
        keys |= {f"{arch}.rope.scaling.type": "longrope", f"{arch}.rope.scaling.attn_factor": short}
    if config.rope_scaling is not None and config.rope_scaling.kind == "linear":
        keys |= {f"{arch}.rope.scaling.type": "linear", f"{arch}.rope.scaling.factor": config.rope_scaling.factor}
    return keys


def _add(writer: gguf.GGUFWriter, key: str, value: Any) -> None:
    if isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, int):
        writer.add_uint32(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    elif isinstance(value, str):
        writer.add_string(key, value)
    else:
        writer.add_array(key, value)


def _factors(config: ModelConfig) -> dict[str, np.ndarray]:
    """The factors of positions, which are tensors: LongRoPE's two lists, or llama3's one."""
    if config.longrope is not None:
        lists = {"long": config.longrope.long, "short": config.longrope.short}
        return {f"rope_factors_{name}.weight": np.array(values, np.float32) for name, values in lists.items()}
    if config.rope_scaling is not None and config.rope_scaling.kind == "llama3":
        plain = config.model_copy(update={"rope_scaling": None})
        return {"rope_freqs.weight": (frequencies(plain) / frequencies(config)).to(torch.float32).numpy()}
    return {}


def _named(theirs: str) -> str:
    """llama.cpp's name for a published tensor."""
    module, _, kind = theirs.rpartition(".")
    layer = LAYER.fullmatch(module)
    return f"{MODULES[module]}.{kind}" if layer is None else f"blk.{layer[1]}.{LAYERS[layer[2]]}.{kind}"


def _kind(named: str, tensor: Written | Packed, type_: str) -> Kind:
    """The type of a tensor: vectors stay F32, rows that cannot be cut into blocks F16, outer matrices have 8 bits.

    Quantized ones keep their own, unless floats are asked for.
    """
    shape, kind = tensor.shape, _KINDS[type_]
    if len(shape) == 1:
        return Kind.F32
    if isinstance(tensor, Packed) and kind in (Kind.Q4_0, Kind.Q8_0) and tensor.kind is not None:
        return tensor.kind
    if kind == Kind.Q4_0 and named in ("token_embd.weight", "output.weight"):
        kind = Kind.Q8_0
    return Kind.F16 if kind in (Kind.Q4_0, Kind.Q8_0) and shape[-1] % 32 else kind


def _data(tensor: Written | Packed, kind: Kind) -> np.ndarray:
    """A matrix or a vector in a type, its rows as they are published."""
    if isinstance(tensor, Packed):
        if kind == tensor.kind:
            return tensor.blocks()
        return gguf.quants.quantize(tensor.dense(), kind)
    return gguf.quants.quantize(tensor.make().float().numpy(), kind)


def _ordered(data: np.ndarray, theirs: str, family: Family, config: ModelConfig) -> np.ndarray:
    """Rows in llama.cpp's order: those of llama's q and k alternate between the two halves of each head."""
    heads = {"q_proj": config.heads, "k_proj": config.key_value_heads}.get(theirs.split(".")[-2])
    if not family.permuted or heads is None:
        return data
    return data.reshape(heads, 2, -1, *data.shape[1:]).swapaxes(1, 2).reshape(data.shape)
