"""Checkpoints on disk: Hugging Face folders, in the published format of each model's architecture, and the way back."""

from __future__ import annotations

import dataclasses
import re
import warnings
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hornbook.errors import Notice, UserError
from hornbook.files import write_json
from hornbook.model.config import ModelConfig
from hornbook.model.experts import MixtureOfExperts
from hornbook.model.formats import adapter as adapters
from hornbook.model.formats import adapter_config, origin, quantization, weights
from hornbook.model.formats.architectures import (
    Architecture,
    architecture_for,
    architecture_of,
    from_huggingface,
    read_values,
    to_huggingface,
)
from hornbook.model.formats.finite import Finite
from hornbook.model.formats.layout import Layout, Parts
from hornbook.model.formats.quantization import LEAVES, PACKED, SCALE, SHAPE, ZERO_POINT, Quantization
from hornbook.model.formats.quantized import (
    QuantizedEmbedding,
    QuantizedLayer,
    matrices,
    pack,
    replace,
    tie,
    unpack,
    weight_of,
)
from hornbook.model.formats.safetensors import WEIGHTS
from hornbook.model.formats.weights import Opened, Stored, Written
from hornbook.model.tokenizers import Tokenizer
from hornbook.model.transformer import Transformer, blank

# Buffers that old checkpoints hold beside the weights: masks and frequencies, which follow from the configuration.
_NO_WEIGHTS = re.compile(r"\.attn\.attention\.(bias|masked_bias)$|\.rotary_emb\.\w+$")
# What torch.compile, DDP, FSDP and activation checkpointing put into the names of the tensors that they wrap.
_WRAPPERS = frozenset(("_orig_mod", "module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"))
_FLOATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


# ---- loading


def load(
    folder: Path, *, device: str = "cpu", dtype: torch.dtype | None = None, compute: torch.dtype | None = None
) -> Transformer:
    """Load a checkpoint folder of any supported family: ours, transformers', or the original repositories'.

    An adapter's folder (PEFT) gives its base with the adapter beside its linear maps; `lora.merge` adds it to them.

    dtype: of the weights, each as it is stored unless given; quantized ones stay what they are. compute: of the
    activations, `dtype` or that of the stored norms unless given. Weights that need no change stay in the pages of the
    file, which are read when they are used. Raises UserError that names what is missing, damaged, or not finite; warns
    with a Notice where config.json ties an output matrix that differs from the embedding.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; give a model folder with config.json and {WEIGHTS}")
    named, adapter, beside = folder, None, None
    if adapter_config.is_adapter(folder):
        adapter = adapter_config.read(folder)
        beside = adapters.read(adapter)
        folder = adapter.base
    values = read_values(folder)
    architecture = architecture_of(values, folder / "config.json")
    stored = _with_zero_points(_unwrapped(weights.find(folder), folder))
    config = from_huggingface(values, folder / "config.json")
    if config.layers > len(stored):  # before a model of so many layers is laid out
        raise UserError(f"{folder / 'config.json'} asks for {config.layers} layers, there are {len(stored)} tensors")
    if adapter is not None and beside is not None:
        adapter_config.refuse_other_base(adapter, adapters.fingerprint(stored))
        config = _replaced(config, architecture, stored, beside.whole, named)
    config = _untied(config, architecture, stored, folder)
    model = blank(config)
    layout = architecture.layout(config)
    _quantize(model, layout, stored, folder)
    names = [name for name in model.state_dict() if not _tied(model, name)]
    parts = {name: _chosen(_stored_names(name, layout), stored, folder) for name in names}
    known = {part.theirs for way in parts.values() for part in way}
    known |= {f"{name.removesuffix(PACKED)}{SHAPE}" for name in known if name.endswith(PACKED)}
    if config.tied_embeddings:  # some writers store the output matrix although it is the embedding
        known |= set(head_names(config, architecture))
    _refuse_unknown(stored, known, folder)
    # A quantized matrix keeps its numbers as they are: only what the layout lists is converted.
    meta = model.state_dict()
    _check_rows(config.vocabulary, parts, stored)
    for name, way in parts.items():
        for part in way:
            _check(part.theirs, stored[part.theirs], part.their_shape(meta[name]), meta[name])
    seen = Finite()
    wanted = {name: dtype if name in layout else None for name in parts}
    state = {name: _read(meta[name], way, stored, wanted[name], seen) for name, way in parts.items()}
    seen.refuse(stored)
    model.load_state_dict(state, strict=False, assign=True)
    if config.tied_embeddings:
        _tie(model)
    model.compute = compute or dtype or model.norm.weight.dtype
    dtypes = {name: stored[way[0].theirs].dtype for name, way in parts.items()}
    # A quantized matrix goes by the names that its weights have where they are not.
    ways = {name: parts.get(name, options[0]) for name, options in layout.items()}
    model.origin = origin.read(named, values, dtypes, ways)
    if adapter is not None and beside is not None:
        adapters.attach(model, adapter, beside)
    return model.to(device).eval()


def _unwrapped(stored: dict[str, Stored], folder: Path) -> dict[str, Stored]:
    """The tensors under their names without wrappers: `_orig_mod.model.norm.weight` is `model.norm.weight`."""
    bare: dict[str, Stored] = {}
    for name, tensor in stored.items():
        short = ".".join(part for part in name.split(".") if part not in _WRAPPERS)
        if short in bare:
            raise UserError(f"{_where(stored, folder)} holds the tensor {short} twice, once as {name}")
        bare[short] = tensor
    return bare


def _untied(config: ModelConfig, form: Architecture, stored: Mapping[str, Stored], folder: Path) -> ModelConfig:
    """The configuration, untied where it ties two matrices that are stored and differ, as transformers does it."""
    heads = [name for name in head_names(config, form) if name in stored]
    inputs = [way[0].theirs for way in form.layout(config)["embed.weight"] if way[0].theirs in stored]
    if not config.tied_embeddings or not heads or not inputs:
        return config
    head, embed = stored[heads[0]], stored[inputs[0]]
    if head.shape == embed.shape and weights.equal(head, embed):
        return config
    if head.shape == embed.shape:  # others are refused
        warnings.warn(
            f"{folder / 'config.json'} ties the output matrix to the embedding, but {heads[0]} differs from "
            f"{inputs[0]}: they are read as two matrices; set tie_word_embeddings to false to say so",
            Notice,
            stacklevel=3,
        )
    return config.model_copy(update={"tied_embeddings": False})


def _replaced(
    config: ModelConfig, form: Architecture, stored: dict[str, Stored], whole: Mapping[str, Stored], adapter: Path
) -> ModelConfig:
    """Put the tensors that an adapter stores whole in the place of the base's; two of one that was tied are two."""
    heads = head_names(config, form)
    inputs = [way[0].theirs for way in form.layout(config)["embed.weight"] if way[0].theirs in stored]
    if config.tied_embeddings and inputs and any(name in whole for name in (*heads, *inputs)):
        stored.setdefault(heads[0], stored[inputs[0]])
        config = config.model_copy(update={"tied_embeddings": False})
    for name, tensor in whole.items():
        if name not in stored:
            raise UserError(f"{adapter} is an adapter of another base: {name}, which it stores whole, is not there")
        stored[name] = tensor
    return config


def head_names(config: ModelConfig, form: Architecture) -> list[str]:
    """Names under which a format stores an output matrix of its own."""
    layout = form.layout(config.model_copy(update={"tied_embeddings": False}))
    return [part.theirs for way in layout["lm_head.weight"] for part in way]


def fingerprint(folder: Path) -> str:
    """What tells the weights of a model's folder from another's."""
    return adapters.fingerprint(_unwrapped(weights.find(folder), folder))


def _tied(model: Transformer, name: str) -> bool:
    """Whether a tensor is the embedding once more."""
    return model.config.tied_embeddings and name.startswith("lm_head.") and name != "lm_head.bias"


def _tie(model: Transformer) -> None:
    """Make the output matrix the embedding again, after the embedding got other memory."""
    if isinstance(model.embed, QuantizedLayer):
        tie(model)
    else:
        model.lm_head.weight = model.embed.weight


def _stored_names(name: str, layout: Layout) -> list[Parts]:
    """The ways in which one of our tensors may be stored: a quantized matrix in the pieces that the weights have."""
    leaf = next((leaf for leaf in LEAVES if name.endswith(f".weight{leaf}")), None)
    if leaf is None:
        return layout[name]
    ways = layout[_weight(name.removesuffix(f".weight{leaf}"), layout)]
    return [tuple(dataclasses.replace(part, theirs=part.theirs + leaf) for part in way) for way in ways]


def _weight(matrix: str, layout: Layout) -> str:
    """The name of a matrix' weights in a layout; those of experts have no module of their own."""
    return f"{matrix}.weight" if f"{matrix}.weight" in layout else matrix


def _chosen(ways: list[Parts], stored: Mapping[str, Stored], folder: Path) -> Parts:
    """The way in which a tensor is stored here. Raises UserError with the first piece that is missing."""
    for way in ways:
        if all(part.theirs in stored for part in way):
            return way
    begun = next((way for way in ways if any(part.theirs in stored for part in way)), ways[0])
    missing = next(part.theirs for part in begun if part.theirs not in stored)
    raise UserError(f"{_where(stored, folder)} lacks the tensor {missing}")


def _read(
    target: Tensor, parts: Parts, stored: Mapping[str, Stored], dtype: torch.dtype | None, seen: Finite
) -> Tensor:
    """One of our tensors, of the shape of `target` (on the meta device), from its stored parts; `seen` looks at all."""
    dtype = dtype or stored[parts[0].theirs].dtype
    if len(parts) == 1 and parts[0].same and stored[parts[0].theirs].dtype == dtype:
        mapped = stored[parts[0].theirs].open().tensor
        for piece in weights.slices(mapped if mapped.ndim else mapped[None], weights.CACHED):
            seen.look(parts[0].theirs, mapped[piece] if mapped.ndim else mapped)
        return mapped
    ours = torch.empty(target.shape, dtype=dtype)
    for part in parts:
        opened = stored[part.theirs].open()
        look = partial(seen.look, part.theirs)
        weights.copy(part.of_theirs(opened.tensor), part.of_ours(ours), opened.forget, look)
    return ours


def _check(name: str, stored: Stored, shape: tuple[int, ...], target: Tensor) -> None:
    """Refuse a stored tensor of another shape, or one whose numbers are no weights."""
    if stored.shape != shape:
        raise UserError(f"{stored.file}: {name} is {stored.shape}, config.json asks for {shape}")
    fits = stored.dtype in _FLOATS if target.dtype.is_floating_point else stored.dtype == target.dtype
    if not fits:
        raise UserError(f"{stored.file}: {name} holds numbers of the dtype {stored.dtype}, which are no weights")


def _check_rows(vocabulary: int, parts: Mapping[str, Parts], stored: Mapping[str, Stored]) -> None:
    """Refuse embeddings and output matrices that have not a row for each id of the vocabulary."""
    for part in (part for name in ("embed.weight", "lm_head.weight") for part in parts.get(name, ())):
        rows = stored[part.theirs].shape[:1]
        if rows != (vocabulary,):
            told = f"{rows[0]} rows" if rows else "no rows"
            raise UserError(
                f"{stored[part.theirs].file}: {part.theirs} has {told}, vocab_size in config.json is {vocabulary}; "
                "give the config.json that these weights were saved with"
            )


def _refuse_unknown(stored: Mapping[str, Stored], known: set[str], folder: Path) -> None:
    """Refuse a folder with tensors that the model has no place for."""
    unknown = sorted(name for name in stored if name not in known and not _NO_WEIGHTS.search(name))
    if unknown:
        raise UserError(f"{_where(stored, folder)} holds {len(unknown)} unknown tensors, {unknown[0]} among them")


def _where(stored: Mapping[str, Stored], folder: Path) -> Path:
    """What to call the weights in an error: their file, or the folder where there are several."""
    files = {one.file for one in stored.values()}
    return files.pop() if len(files) == 1 else folder


def _quantize(model: Transformer, layout: Layout, stored: Mapping[str, Stored], folder: Path) -> None:
    """Swap the matrices that are stored quantized for their empty layers; shapes tell bits and groups."""
    for name in matrices(model):
        if _tied(model, f"{name}.weight"):
            continue
        for way in layout[_weight(name, layout)]:
            first = way[0].theirs
            if first + PACKED not in stored:
                continue
            if first + SCALE not in stored:
                raise UserError(f"{_where(stored, folder)} lacks the tensor {first}{SCALE}")
            columns, packed, scale = weight_of(model, name).shape[-1], stored[first + PACKED], stored[first + SCALE]
            bits = 32 * packed.shape[-1] // columns if packed.shape else 0
            groups = scale.shape[-1] if scale.shape else 0
            if bits not in quantization.BITS or not groups or columns % groups:
                raise UserError(
                    f"{packed.file}: {first}{PACKED} is {packed.shape} and {first}{SCALE} {scale.shape}; matrices of "
                    f"{columns} columns in 4 or 8 bits are read"
                )
            with torch.device("meta"):
                replace(model, name, Quantization(bits, columns // groups, first + ZERO_POINT not in stored))
            break


def _with_zero_points(stored: dict[str, Stored]) -> dict[str, Stored]:
    """The stored tensors with zero points unpacked: (rows, groups) of int8, as they lie in memory."""
    found = dict(stored)
    for name, packed in stored.items():
        matrix = name.removesuffix(ZERO_POINT)
        levels, shape = stored.get(matrix + PACKED), stored.get(matrix + SHAPE)
        if name == matrix or levels is None or shape is None or (shape.shape, shape.dtype) != ((2,), torch.int64):
            continue
        rows, columns = shape.open().tensor.tolist()
        bits = 32 * levels.shape[-1] // columns if levels.shape and columns > 0 else 0
        whole = bits in quantization.BITS and 0 < rows == levels.shape[0] and packed.dtype == torch.int32
        if whole and len(packed.shape) == 2 and packed.shape[0] == -(-rows * bits // 32):
            opened = partial(_open_zero_points, packed, bits, rows)
            found[name] = Stored(packed.file, (rows, packed.shape[1]), torch.int8, opened)
    return found


def _open_zero_points(packed: Stored, bits: int, rows: int) -> Opened:
    opened = packed.open()
    return Opened(unpack(opened.tensor.mT, bits, rows).mT.contiguous(), opened.forget)


# ---- saving


def save(
    model: Transformer,
    folder: Path,
    tokenizer: Tokenizer | None = None,
    *,
    shard: int = weights.SHARD,
    stored_precision: bool = False,
) -> None:
    """Write a Hugging Face folder: weights and configuration; with a tokenizer also its files and generation settings.

    A model with adapters is written as theirs, a PEFT folder beside which the base is needed; `lora.merge` makes it one
    that stands alone. The format is the one that the model was read in, or the first published one that holds it. What
    its folder said of special ids and generation stays, unless the tokenizer is another folder's. stored_precision:
    weights go back to the precision that they were read in, rather than keep what they have now. Weights of more than
    `shard` bytes are cut into several files. Raises UserError where no published format holds the model exactly.
    """
    if model.origin is not None and model.origin.adapter is not None:
        adapters.save(model, folder, tokenizer)
        return
    architecture = architecture_for(model.config)
    layout = architecture.layout(model.config)
    before = model.origin.dtypes if model.origin is not None else {}
    dtypes = {name: tensor.dtype for name, tensor in model.state_dict().items()}
    if stored_precision:
        dtypes |= {name: before[name] for name in dtypes if name in before}
    weights.save(published(model, layout, dtypes), folder, shard)
    same = model.origin is not None and all(dtypes[name] == dtype for name, dtype in before.items() if name in dtypes)
    values = to_huggingface(model.config, architecture) | {
        "use_cache": True,
        "torch_dtype": (same and model.origin and model.origin.dtype) or _called(dtypes["norm.weight"]),
        **origin.special_ids(model.origin, tokenizer),
    }
    values |= _quantization(model, layout)
    write_json(folder / "config.json", values)
    generation = origin.generation(model.origin, tokenizer)
    if generation is not None:
        write_json(folder / origin.GENERATION, generation)
    if tokenizer is not None:
        tokenizer.save(folder)


def _called(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _quantization(model: Transformer, layout: Layout) -> dict[str, Any]:
    """The keys of config.json that tell which matrices are quantized; empty where none is."""
    layers: dict[str, Quantization] = {}
    embeddings: list[str] = []
    left: list[str] = []
    for name, module in model.named_modules():
        if isinstance(module, QuantizedLayer) and not _tied(model, f"{name}.weight"):
            theirs = _published(name, layout)
            layers |= dict.fromkeys(theirs, module.form)
            embeddings += theirs if isinstance(module, QuantizedEmbedding) else []
        elif isinstance(module, MixtureOfExperts):
            left += [way[0].theirs.removesuffix(".weight") for way in layout[f"{name}.router"]]
        elif isinstance(module, nn.Linear):
            left += ["lm_head"] if name == "lm_head" else _published(name, layout)
    return quantization.described(layers, embeddings, left)


def _published(name: str, layout: Layout) -> list[str]:
    """The published names of one of our matrices, without `.weight`."""
    return list(dict.fromkeys(part.theirs.removesuffix(".weight") for part in layout[_weight(name, layout)][0]))


def published(model: Transformer, layout: Layout, dtypes: Mapping[str, torch.dtype]) -> dict[str, Written]:
    """Every tensor under its published name, in the model's order. dtypes: in which each of ours is written."""
    written: dict[str, Written] = {}
    for name, tensor in model.state_dict().items():
        if _tied(model, name):
            continue
        parts = _stored_names(name, layout)[0]
        module = model.get_submodule(name.rpartition(".")[0])
        bits = module.form.bits if isinstance(module, QuantizedLayer) else 0
        for part in parts:
            if part.theirs in written:
                continue
            made = _turned(tensor, part.theirs, parts, dtypes[name])
            if bits and name.endswith(ZERO_POINT):
                made = _packed_zero_points(made, bits)
            elif bits and name.endswith(PACKED):
                shape = torch.tensor([made.shape[0], made.shape[1] * 32 // bits])
                at = f"{part.theirs.removesuffix(PACKED)}{SHAPE}"
                written[at] = Written((2,), torch.int64, partial(torch.Tensor.clone, shape))
            written[part.theirs] = made
    return written


def _packed_zero_points(zero_points: Written, bits: int) -> Written:
    """Zero points (rows, groups) as a folder has them, rows packed into words."""
    rows, groups = zero_points.shape

    def make() -> Tensor:
        return pack(zero_points.make().mT, bits).mT.contiguous()

    return Written((-(-rows * bits // 32), groups), torch.int32, make)


def _turned(tensor: Tensor, theirs: str, parts: Parts, dtype: torch.dtype) -> Written:
    """The published tensor `theirs` that `parts` of ours make, in `dtype`."""
    mine = [part for part in parts if part.theirs == theirs]
    shape = mine[0].their_shape(tensor)

    def make() -> Tensor:
        if len(mine) == 1:
            return mine[0].of_ours(tensor).to(dtype)
        made = torch.empty(shape, dtype=dtype, device=tensor.device)
        for part in mine:
            part.of_theirs(made).copy_(part.of_ours(tensor))
        return made

    return Written(shape, dtype, make)
