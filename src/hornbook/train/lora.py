"""What of a model is trained: all of it, or adapters beside its linear maps (LoRA; QLoRA on a 4-bit base); merging."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from hornbook.errors import UserError, nearest
from hornbook.runs.stage import Flag
from hornbook.seeds import derive
from hornbook.settings import Settings

if TYPE_CHECKING:
    from hornbook.model.formats.adapter import Place
    from hornbook.model.transformer import Transformer


class LoraSettings(Settings):
    """Adapters beside linear maps, trained in the place of the model (Hu et al. 2021, arXiv:2106.09685)."""

    rank: int = Field(16, ge=1, description="size of what the two matrices of an adapter share")
    alpha: float | None = Field(
        None, gt=0, description="an adapter's output times alpha / rank is added; unset: twice the rank"
    )
    rslora: bool = Field(False, description="alpha / sqrt(rank) in its place (arXiv:2312.03732)")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of an adapter's inputs that a step leaves out")
    target_modules: tuple[str, ...] | None = Field(
        None, min_length=1, description="which linear maps: `q_proj`, as the model's file names it, or `attention.qkv`"
    )
    modules_to_save: tuple[str, ...] = Field(
        (), description="what is trained whole beside adapters: embed_tokens, lm_head, norms, as the file names them"
    )


_SAVED = "lora.modules_to_save"
FLAG = Flag("--lora", "lora.rank", "Train an adapter of this rank in the place of the model (LoRA).")


def load(base: Path, settings: LoraSettings | None, *, seed: int, freeze: Sequence[str] = ()) -> Transformer:
    """The model of a folder, ready to be trained: its parameters with a gradient are those that training moves.

    Without settings these are all but what `freeze` names, in fp32. With settings, or where the folder is an adapter's,
    they are those of the adapters; all else keeps the precision in which it is stored. B begins as 0 and A as PEFT
    draws it, uniform within 1 / sqrt(inputs), so that the first step finds the model as it was. Raises UserError for
    names that the model has not, ranks that a matrix has not, something to freeze beside adapters, and a model that is
    quantized where all of it is to be trained.
    """
    import torch

    from hornbook.model.formats import adapter_config, checkpoint

    if settings is None and not adapter_config.is_adapter(base):
        model = checkpoint.load(base, dtype=torch.float32)
        _refuse_quantized(model, base)
        keep_still(model, freeze)
        return model
    if freeze:
        raise UserError(f"freeze = {', '.join(freeze)}: of {base} adapters alone are trained; leave freeze out")
    model = checkpoint.load(base)
    assert model.origin is not None
    model.requires_grad_(False)
    if model.origin.adapter is None:
        assert settings is not None
        _add(model, base, settings, seed)
    elif settings is not None:
        _go_on(model, base, settings)
    _release(model)
    return model


def look(base: Path, settings: LoraSettings | None, freeze: Sequence[str] = ()) -> tuple[Transformer, bool]:
    """What `load` would make ready, in the precision in which it is stored, and whether adapters are what is trained
    of it. Raises UserError as `load` does.
    """
    from hornbook.model.formats import adapter_config, checkpoint

    if settings is not None or adapter_config.is_adapter(base):
        return load(base, settings, seed=0, freeze=freeze), True
    model = checkpoint.load(base)
    _refuse_quantized(model, base)
    keep_still(model, freeze)
    return model, False


def keep_still(model: Transformer, words: Sequence[str]) -> None:
    """Leave what the setting `freeze` names out of training. Raises UserError for names that the model has not."""
    for ours in _whole_tensors(model, words, "freeze").values():
        model.get_parameter(ours).requires_grad_(False)


def _refuse_quantized(model: Transformer, base: Path) -> None:
    from hornbook.model.formats.quantized import is_quantized

    if is_quantized(model):
        raise UserError(f"{base} is quantized, its weights can't be trained; train an adapter on it: lora.rank=16")


class MergeSettings(Settings):
    """How an adapter becomes part of its base."""

    precision: Literal["fp32", "bf16", "fp16"] | None = Field(
        None, description="of the weights that are written; unset: the base's own"
    )


def merge(adapter: Path, settings: MergeSettings, *, into: Path) -> dict[str, Any]:
    """Write the model folder `into`, which computes alone what the adapter and its base do together.

    W + s B A is added in fp32 and rounded once. Raises UserError for a folder that holds no adapter.
    """
    import torch

    from hornbook.model import lora
    from hornbook.model.formats import adapter_config, checkpoint
    from hornbook.model.tokenizers import Tokenizer

    if not adapter_config.is_adapter(adapter):
        raise UserError(f"{adapter} holds no adapter (no adapter_config.json); there is nothing to merge")
    named = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16, None: None}
    model = checkpoint.load(adapter, dtype=named[settings.precision])
    count = sum(len(layer.branches) for _, layer in lora.layers(model))
    checkpoint.save(lora.merge(model), into, Tokenizer(adapter))
    weight = model.blocks[0].get_submodule("attention.out").get_parameter("weight")
    return {"adapters": count, "precision": next(name for name, one in named.items() if one == weight.dtype)}


def _go_on(model: Transformer, base: Path, settings: LoraSettings) -> None:
    """Refuse to train an adapter on as another one than it is, by what was said of it."""
    from hornbook.model.formats import adapter
    from hornbook.model.lora import layers

    assert model.origin is not None and model.origin.adapter is not None
    mine, said = model.origin.adapter, settings.model_fields_set
    branches = [branch for _, layer in layers(model) for branch in layer.branches]
    numbers: dict[str, set[float]] = {
        "rank": {branch.rank for branch in branches},
        "alpha": {branch.alpha for branch in branches},
        "rslora": {branch.rank_stabilised for branch in branches},
        "dropout": {mine.config.lora_dropout},
    }
    for name, found in numbers.items():
        wanted = getattr(settings, name)
        if name in said and wanted is not None and found != {wanted}:
            raise _another(base, name, (f"{one:g}" for one in sorted(found)))
    there, names = adapter.places(model), {branch.name for branch in branches}
    if settings.target_modules is not None and set(_targets(there, settings.target_modules)) != names:
        raise _another(base, "target_modules", adapter.target_modules(names, there))
    saved = set(mine.saved.values())
    if "modules_to_save" in said and set(_whole_tensors(model, settings.modules_to_save, _SAVED).values()) != saved:
        raise _another(base, "modules_to_save", sorted(map(_module, mine.saved)) or ["none"])


def _another(base: Path, name: str, found: Iterable[str]) -> UserError:
    return UserError(
        f"{base} is an adapter already, of {name} {', '.join(found)}, and is trained on as it is: leave lora.{name} "
        "out, or make a model of it first with `hornbook merge`"
    )


def _add(model: Transformer, base: Path, settings: LoraSettings, seed: int) -> None:
    """Give the model fresh adapters, and say in its origin which modules are trained whole."""
    import torch

    from hornbook.model.formats import adapter, checkpoint
    from hornbook.model.formats.adapter_config import Adapter, AdapterConfig
    from hornbook.model.lora import layers

    there = adapter.places(model)
    chosen = _targets(there, settings.target_modules)
    alpha = settings.alpha or 2.0 * settings.rank
    for name in chosen:
        rows, inputs = there[name].end - there[name].start, there[name].inputs
        most = min(rows, inputs)
        if settings.rank > most:
            raise UserError(
                f"lora.rank is {settings.rank}, {name} is a matrix of {rows} × {inputs}: its rank is {most} at most; "
                "lower lora.rank, or leave it out of lora.target_modules"
            )
    branches = {name: adapter.branch_of(name, there[name], settings.rank, alpha, settings.rslora) for name in chosen}
    adapter.add(model, branches, settings.dropout)
    generator = torch.Generator().manual_seed(derive(seed, "lora"))
    with torch.no_grad():
        for _, layer in layers(model):
            for _, a, _ in layer.parts():
                a.uniform_(-1 / math.sqrt(a.shape[1]), 1 / math.sqrt(a.shape[1]), generator=generator)
    assert model.origin is not None
    saved = _whole_tensors(model, settings.modules_to_save, _SAVED)
    config = AdapterConfig(peft_type="LORA", lora_dropout=settings.dropout)
    found = Adapter(base, config, fingerprint=checkpoint.fingerprint(base), saved=saved)
    model.origin = replace(model.origin, adapter=found)


def _targets(there: Mapping[str, Place], wanted: Iterable[str] | None) -> list[str]:
    """The file's modules that get adapters: all but the output matrix unless told."""
    if wanted is None:
        return [name for name, place in there.items() if place.layer != "lm_head"]
    chosen: set[str] = set()
    for word in wanted:
        found = {name for name, place in there.items() if _is(word, name) or _is(word, place.layer)}
        if not found:
            known = sorted({name.rpartition(".")[2] for name in there})
            raise UserError(
                f"lora.target_modules: the model has no linear map {word!r}{nearest(word, known)}; it has "
                f"{', '.join(known)}"
            )
        chosen |= found
    return [name for name in there if name in chosen]


def _is(word: str, name: str) -> bool:
    """Whether a word names a module: all of its name, or the end of it."""
    return name == word or name.endswith(f".{word}")


def _module(tensor: str) -> str:
    """The module of a file's tensor by its last word: `model.embed_tokens.weight` is embed_tokens."""
    return tensor.rpartition(".")[0].rpartition(".")[2]


def _whole_tensors(model: Transformer, wanted: Iterable[str], setting: str) -> dict[str, str]:
    """The tensors that words of a setting name, ours by the file's names; of two that are tied, one word means both."""
    from hornbook.model.formats.architectures import architecture_for
    from hornbook.model.formats.checkpoint import head_names

    assert model.origin is not None
    parameters = dict(model.named_parameters())  # those with an adapter beside them have other names than before
    names = {
        parts[0].theirs: ours
        for ours, parts in model.origin.ways.items()
        if len(parts) == 1 and parts[0].same and ours in parameters
    }
    if model.config.tied_embeddings and "embed.weight" in parameters:
        names[head_names(model.config, architecture_for(model.config))[0]] = "embed.weight"
    found: dict[str, str] = {}
    for word in wanted:
        mine = {theirs: ours for theirs, ours in names.items() if _is(word, theirs.rpartition(".")[0])}
        if not mine:
            known = sorted({_module(name) for name in names})
            raise UserError(
                f"{setting}: the model has no {word!r} that is a tensor of its own{nearest(word, known)}; it has "
                f"{', '.join(known)}"
            )
        found |= mine
    return {theirs: ours for theirs, ours in names.items() if ours in found.values()}


def _release(model: Transformer) -> None:
    """Let training move the adapters, and what is saved whole, in fp32."""
    from hornbook.model.formats.layout import whole
    from hornbook.model.lora import layers

    assert model.origin is not None and model.origin.adapter is not None
    for _, layer in layers(model):
        for parameter in (layer.a, *layer.b):
            parameter.requires_grad_(True)
    for theirs, ours in model.origin.adapter.saved.items():
        if not all(part.of_ours is whole for part in model.origin.ways.get(ours, ())):
            raise UserError(f"{model.origin.folder}: {theirs} is a part of {ours} here, which can't be trained whole")
        parameter = model.get_parameter(ours)
        parameter.data = parameter.data.float()
        parameter.requires_grad_(True)
