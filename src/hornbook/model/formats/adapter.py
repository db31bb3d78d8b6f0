"""An adapter's weights: which of our linear maps they belong to, from a PEFT folder and back into one.

A file may hold q, k and v each on its own where the model has one matrix, or the rows in another order: `places` tells
where each of the file's matrices lies, so that folders have the names that `peft` finds in transformers' model.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from hornbook.errors import UserError
from hornbook.files import write_json
from hornbook.model.formats import adapter_config, weights
from hornbook.model.formats.adapter_config import BASE, Adapter
from hornbook.model.formats.layout import Parts, whole
from hornbook.model.formats.quantized import QuantizedLayer
from hornbook.model.formats.weights import Stored, Written
from hornbook.model.lora import Branch, LoraLinear, layers
from hornbook.model.tokenizers import Tokenizer
from hornbook.model.transformer import Transformer
from hornbook.runs.folders import ADAPTER

WEIGHTS, PICKLED = "adapter_model.safetensors", "adapter_model.bin"
_PREFIX = "base_model.model."
_SAMPLE = 4096  # bytes at each end of a tensor that tell it from another


@dataclass(frozen=True)
class Place:
    """Where one of a file's matrices lies: rows `start` to `end` of our linear map `layer`; `order` as in Branch."""

    layer: str
    start: int
    end: int
    inputs: int
    order: Tensor | None


def places(model: Transformer) -> dict[str, Place]:
    """Every linear map of a model by the names of the file's modules, in its order; not a tied output matrix."""
    found: dict[str, Place] = {}
    ways = model.origin.ways if model.origin is not None else {}
    for name, layer in model.named_modules():
        if f"{name}.weight" not in ways or isinstance(layer, nn.Embedding):
            continue
        shape = _shape(layer)
        if shape is not None and not (name == "embed" or (name == "lm_head" and model.config.tied_embeddings)):
            found |= dict(_in_file(name, *shape, ways[f"{name}.weight"]))
    return found


def _shape(layer: nn.Module) -> tuple[int, int] | None:
    """Outputs and inputs of a linear map, None of what is none."""
    if isinstance(layer, LoraLinear):
        return layer.outputs, layer.a.shape[1]
    if isinstance(layer, nn.Linear):
        return layer.out_features, layer.in_features
    return layer.shape if isinstance(layer, QuantizedLayer) else None


def _in_file(layer: str, outputs: int, inputs: int, parts: Parts) -> Iterator[tuple[str, Place]]:
    """The file's matrices that make one of ours, each with the rows that it is."""
    every = torch.arange(outputs)
    for theirs in dict.fromkeys(part.theirs for part in parts):
        mine = [part for part in parts if part.theirs == theirs]
        ours = torch.cat([part.of_ours(every).reshape(-1) for part in mine])
        rows = torch.arange(len(ours))
        at = torch.cat([part.of_theirs(rows).reshape(-1) for part in mine])
        start, end = int(ours.min()), int(ours.max()) + 1
        order = torch.empty(end - start, dtype=torch.long)
        order[ours - start] = at
        alike = torch.equal(order, rows)
        yield theirs.removesuffix(".weight"), Place(layer, start, end, inputs, None if alike else order)


def add(model: Transformer, branches: Mapping[str, Branch], dropout: float) -> None:
    """Give a model's linear maps these adapters, by the name of the file's module, with all of their weights 0."""
    there = places(model)
    by_layer: dict[str, list[Branch]] = {}
    for name, branch in branches.items():
        by_layer.setdefault(there[name].layer, []).append(branch)
    for layer, some in by_layer.items():
        base = model.get_submodule(layer)
        shape = _shape(base)
        assert shape is not None
        model.set_submodule(layer, LoraLinear(base, shape[1], shape[0], some, dropout))


def branch_of(name: str, place: Place, rank: int, alpha: float, rank_stabilised: bool) -> Branch:
    """The adapter of one of a file's matrices."""
    return Branch(name, place.start, place.end, rank, alpha, rank_stabilised, place.order)


# ---- reading


def fingerprint(stored: Mapping[str, Stored]) -> str:
    """What tells a model's weights from another's: a hash of names, shapes, and both ends of each tensor's bytes.

    Training moves every weight, so it need not read all of them.
    """
    digest = hashlib.sha256()
    for name in sorted(stored):
        one = stored[name]
        digest.update(f"{name} {one.shape} {one.dtype}\n".encode())
        flat = one.open().tensor.reshape(-1).view(torch.uint8)
        for piece in (flat[:_SAMPLE], flat[-_SAMPLE:]):
            digest.update(piece.numpy().tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Read:
    """The tensors of an adapter's folder. low_rank: A and B by module; whole: by the name that they replace."""

    low_rank: Mapping[str, tuple[Stored, Stored]]
    whole: Mapping[str, Stored]


def read(adapter: Adapter) -> Read:
    """Find an adapter's tensors. Raises UserError for a file that is missing or damaged, and for other adapters."""
    folder = adapter.folder
    assert folder is not None
    path = folder / WEIGHTS if (folder / WEIGHTS).is_file() or not (folder / PICKLED).is_file() else folder / PICKLED
    pairs: dict[str, dict[str, Stored]] = {}
    whole: dict[str, Stored] = {}
    for name, tensor in weights.of_file(path).items():
        short = name.removeprefix(_PREFIX)
        module, _, leaf = short.rpartition(".lora_")
        if leaf in ("A.weight", "B.weight"):
            pairs.setdefault(module, {})[leaf[0]] = tensor
        elif ".lora_" in short or ".base_layer." in short or short == name:
            raise UserError(f"{path}: {name} is not supported; LoRA of linear maps and whole modules are")
        else:
            whole[short] = tensor
    for module, two in pairs.items():
        if len(two) < 2:
            raise UserError(f"{path} is damaged: {module} lacks lora_{'B' if 'A' in two else 'A'}")
    if not pairs and not whole:
        raise UserError(f"{path} holds no adapter")
    return Read({module: (two["A"], two["B"]) for module, two in pairs.items()}, whole)


def attach(model: Transformer, adapter: Adapter, found: Read) -> None:
    """Give a model the adapter that was read; it computes with it from here on.

    Raises UserError where a module or a shape is not the model's: then it is an adapter of another base.
    """
    there = places(model)
    config, branches = adapter.config, {}
    for module, (a, b) in found.low_rank.items():
        if module not in there:
            raise UserError(
                f"{adapter.folder} is an adapter of another base, or of what is no linear map here: {adapter.base} has "
                f"no {module}"
            )
        place = there[module]
        rank = a.shape[0] if a.shape else 0
        if a.shape != (rank, place.inputs) or b.shape != (place.end - place.start, rank) or not rank:
            raise UserError(
                f"{adapter.folder} is an adapter of another base: of {module}, A is {a.shape} and B {b.shape}, the "
                f"matrix in {adapter.base} is {(place.end - place.start, place.inputs)}"
            )
        branches[module] = branch_of(module, place, rank, config.alpha_of(module), config.use_rslora)
    add(model, branches, config.lora_dropout)
    with torch.no_grad():
        for _, layer in layers(model):
            for branch, to_a, to_b in layer.parts():
                of_a, of_b = (one.open().tensor for one in found.low_rank[branch.name])
                if not (of_a.isfinite().all() and of_b.isfinite().all()):
                    raise UserError(f"{adapter.folder}: the adapter of {branch.name} holds numbers that are not finite")
                to_a.copy_(of_a)
                to_b.copy_(of_b if branch.order is None else of_b[branch.order])
    assert model.origin is not None
    ours = {part.theirs: name for name, parts in model.origin.ways.items() for part in parts}
    saved = {theirs: ours[theirs] for theirs in found.whole}
    model.origin = replace(model.origin, adapter=replace(adapter, saved=saved))


# ---- writing


def save(model: Transformer, folder: Path, tokenizer: Tokenizer | None = None) -> None:
    """Write a model's adapters as a folder that `peft` reads, with the modules that were trained whole.

    With a tokenizer, its files lie beside them.
    """
    assert model.origin is not None and model.origin.adapter is not None
    adapter = model.origin.adapter
    branches = {one.name: one for _, layer in layers(model) for one in layer.branches}
    tensors = {f"{_PREFIX}{name}": one for name, one in _tensors(model, adapter)}
    folder.mkdir(parents=True, exist_ok=True)
    weights.write(folder / WEIGHTS, tensors)
    base, known = adapter_config.described(adapter, folder)
    ranks = Counter(one.rank for one in branches.values())
    alphas = Counter(one.alpha for one in branches.values())
    rank, alpha = ranks.most_common(1)[0][0], alphas.most_common(1)[0][0]
    saved = sorted({name.rpartition(".")[0] for name in adapter.saved})
    values = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": rank,
        "lora_alpha": alpha,
        "lora_dropout": adapter.config.lora_dropout,
        "use_rslora": any(one.rank_stabilised for one in branches.values()),
        "target_modules": target_modules(branches, places(model)),
        "rank_pattern": {name: one.rank for name, one in branches.items() if one.rank != rank},
        "alpha_pattern": {name: one.alpha for name, one in branches.items() if one.alpha != alpha},
        "modules_to_save": saved or None,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
    }
    write_json(folder / ADAPTER, values)
    write_json(folder / BASE, known)
    if tokenizer is not None:
        tokenizer.save(folder)


def target_modules(names: Iterable[str], there: Mapping[str, Place]) -> list[str]:
    """Modules with an adapter as PEFT names them: `q_proj` where every q_proj has one, whole names where some have."""
    chosen = set(names)
    last = {name: name.rpartition(".")[2] for name in there}
    some = {last[name] for name in there if name not in chosen}
    return sorted({last[name] if last[name] not in some else name for name in chosen})


def _tensors(model: Transformer, adapter: Adapter) -> Iterator[tuple[str, Written]]:
    for _, layer in layers(model):
        for branch, a, b in layer.parts():
            theirs = b
            if branch.order is not None:
                theirs = torch.empty_like(b)
                theirs[branch.order] = b.detach()
            yield f"{branch.name}.lora_A.weight", Written(tuple(a.shape), a.dtype, a.contiguous)
            yield f"{branch.name}.lora_B.weight", Written(tuple(theirs.shape), theirs.dtype, theirs.contiguous)
    assert model.origin is not None
    for name, ours in adapter.saved.items():
        view = next((part.of_ours for part in model.origin.ways.get(ours, ()) if part.theirs == name), whole)
        tensor = view(model.get_parameter(ours))
        yield name, Written(tuple(tensor.shape), tensor.dtype, tensor.contiguous)
