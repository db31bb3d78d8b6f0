"""Checkpoints on disk: Hugging Face folders, in the published format of each model's architecture, and the way back."""

from __future__ import annotations

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
from hornbook.model.formats.layout import Layout, Parts, one
from hornbook.model.formats.quantized import QuantizedLayer, empty, replace
from hornbook.model.formats.weights import Stored, Written
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
        raise UserError(f"{folder} is not a folder; give a model folder with config.json and {weights.WEIGHTS}")
    named, adapter, beside = folder, None, None
    if adapter_config.is_adapter(folder):
        adapter = adapter_config.read(folder)
        beside = adapters.read(adapter)
        folder = adapter.base
    values = read_values(folder)
    architecture = architecture_of(values, folder / "config.json")
    stored = _unwrapped(weights.find(folder), folder)
    config = from_huggingface(values, folder / "config.json")
    if config.layers > len(stored):  # before a model of so many layers is laid out
        raise UserError(f"{folder / 'config.json'} asks for {config.layers} layers, there are {len(stored)} tensors")
    if adapter is not None and beside is not None:
        adapter_config.refuse_other_base(adapter, adapters.fingerprint(stored))
        config = _replaced(config, architecture, stored, beside.whole, named)
    config = _untied(config, architecture, stored, folder)
    model = blank(config)
    layout = architecture.layout(config)
    _quantized(model, values, layout, folder / "config.json")
    names = [name for name in model.state_dict() if not _tied(model, name)]
    parts = {name: _chosen(_stored_names(name, layout), stored, folder) for name in names}
    known = {part.theirs for way in parts.values() for part in way}
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
        replace(model, "embed", model.embed)
    else:
        model.lm_head.weight = model.embed.weight


def _stored_names(name: str, layout: Layout) -> list[Parts]:
    """The ways in which one of our tensors may be stored."""
    if name in layout:
        return layout[name]
    module, _, leaf = name.rpartition(".")  # of a quantized matrix
    return [one(f"{_stored_module(module, layout)}.{leaf}")]


def _stored_module(module: str, layout: Layout) -> str:
    """The stored name of a quantized matrix: the published one, or ours where that is several or ordered otherwise."""
    first = layout[f"{module}.weight"][0]
    return first[0].theirs.removesuffix(".weight") if len(first) == 1 and first[0].same else module


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


def _quantized(model: Transformer, values: Mapping[str, Any], layout: Layout, where: Path) -> None:
    """Swap the matrices that config.json, which lies at `where`, lists as quantized for their empty layers."""
    found = quantization.listed(values, where)
    if found is None:
        return
    form, names = found
    matrices = {
        _stored_module(name, layout): (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.Embedding) and f"{name}.weight" in layout
    }
    for listed in names:
        if listed not in matrices:
            raise UserError(f"{where} lists {listed} as quantized; the model has no such matrix")
        name, module = matrices[listed]
        with torch.device("meta"):
            replace(model, name, empty(module, form))


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
    weights.save(_written(model, layout, dtypes), folder, shard)
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
    layers = {
        _stored_module(name, layout): module
        for name, module in model.named_modules()
        if isinstance(module, QuantizedLayer) and not _tied(model, f"{name}.weight")
    }
    forms = {layer.quantization for layer in layers.values()}
    if len(forms) > 1:
        raise ValueError(f"one folder holds one format, not {len(forms)}")
    return quantization.described(forms.pop(), layers) if forms else {}


def _written(model: Transformer, layout: Layout, dtypes: Mapping[str, torch.dtype]) -> dict[str, Written]:
    """Every tensor under its published name, in the model's order. dtypes: in which each of ours is written."""
    written: dict[str, Written] = {}
    for name, tensor in model.state_dict().items():
        if _tied(model, name):
            continue
        for part in _stored_names(name, layout)[0]:
            if part.theirs not in written:
                written[part.theirs] = _turned(tensor, part.theirs, _stored_names(name, layout)[0], dtypes[name])
    return written


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
