"""Every architecture whose folders are read and written: which one a config.json is of, and which one holds a model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from hornbook.errors import UserError
from hornbook.files import read_json
from hornbook.model.config import ModelConfig
from hornbook.model.formats import gpt_neo, llama, phi, phi3, phi3_small, phimoe
from hornbook.model.formats.adapter_config import model_files
from hornbook.model.formats.layout import Layout
from hornbook.model.formats.published import Published
from hornbook.model.formats.quantization import check as check_quantization

# LongRoPE's start tokens, which no published format knows; transformers turns these tokens by the factors too.
START_TOKENS = "hornbook_start_tokens"


class Architecture(Protocol):
    """What the module of each architecture offers."""

    MODEL_TYPES: tuple[str, ...]
    """Values of `model_type` that it reads; the first is the one it writes."""
    ARCHITECTURE: str

    def read(self, file: Published) -> ModelConfig:
        """The configuration that a config.json describes."""

    def write(self, config: ModelConfig) -> dict[str, Any]:
        """The config.json of `config`, as far as the format holds it."""

    def layout(self, config: ModelConfig) -> Layout:
        """Where each of our tensors lies."""


# A new architecture is a module beside this one and a word here. The first that holds a model is how it is written, but
# for one that was read in another, or whose configuration names another.
ARCHITECTURES: tuple[Architecture, ...] = (phi3, phi, gpt_neo, phimoe, phi3_small, llama)


def read_config(folder: Path) -> ModelConfig:
    """The configuration of a model folder. Raises UserError for one that is missing, damaged or not supported."""
    return from_huggingface(read_values(folder), folder / "config.json")


def read_values(folder: Path) -> dict[str, Any]:
    """The keys and values of a model folder's config.json, of an adapter's folder those of its base."""
    folder = model_files(folder)
    values = read_json(folder / "config.json")
    if not isinstance(values, dict):
        raise UserError(f"{folder / 'config.json'} is no model's configuration")
    return values


def from_huggingface(values: Mapping[str, Any], where: Path) -> ModelConfig:
    """The configuration that a config.json's `values` describe; `where` it lies is told in errors."""
    check_quantization(values, where)
    form = architecture_of(values, where)
    config = form.read(Published(values, where)).model_copy(update={"format": form.MODEL_TYPES[0]})
    if values.get(START_TOKENS) and config.longrope is not None:
        longrope = config.longrope.model_copy(update={"start_tokens": int(values[START_TOKENS])})
        config = config.model_copy(update={"longrope": longrope})
    return config


def architecture_of(values: Mapping[str, Any], where: Path) -> Architecture:
    """The architecture of a config.json, by its model_type."""
    kind = values.get("model_type")
    for one in ARCHITECTURES:
        if kind in one.MODEL_TYPES:
            return one
    known = ", ".join(name for one in ARCHITECTURES for name in one.MODEL_TYPES)
    raise UserError(f"{where}: model_type is {kind!r}; supported are {known}")


def to_huggingface(config: ModelConfig, form: Architecture) -> dict[str, Any]:
    """The config.json of `config` in one architecture's format, model_type and architecture included."""
    values = {"architectures": [form.ARCHITECTURE], "model_type": form.MODEL_TYPES[0], **form.write(config)}
    if config.longrope is not None and config.longrope.start_tokens:
        values[START_TOKENS] = config.longrope.start_tokens
    return values


def architecture_for(config: ModelConfig) -> Architecture:
    """The architecture whose format holds `config` exactly: reading what it writes gives the same model.

    Where the configuration names a format it is that one. Raises UserError that names the switches that it, or the
    nearest of all, would lose.
    """
    wanted = [one for one in ARCHITECTURES if config.format in (None, one.MODEL_TYPES[0])]
    if not wanted:
        known = ", ".join(one.MODEL_TYPES[0] for one in ARCHITECTURES)
        raise UserError(f"format is {config.format!r}; supported are {known}")
    lost = [(_lost(config, one), one) for one in wanted]
    for switches, one in lost:
        if not switches:
            return one
    switches, nearest = min(lost, key=lambda pair: len(pair[0]))
    values = ", ".join(f"{name} = {_short(getattr(config, name))}" for name in switches)
    if config.format is not None:
        raise UserError(
            f"the format {config.format} ({nearest.ARCHITECTURE}) does not hold this model: it lacks {values}"
        )
    raise UserError(
        f"no published checkpoint format holds this model: {nearest.ARCHITECTURE}, the nearest, lacks {values}"
    )


def _lost(config: ModelConfig, form: Architecture) -> list[str]:
    """Fields of `config` that one format does not hold."""
    try:
        again = from_huggingface(to_huggingface(config, form), Path("config.json"))
    except UserError:
        # What the format cannot even spell differs so much that another one is nearer.
        return [name for name in ModelConfig.model_fields if getattr(config, name) is not None]
    ours, theirs = meaning(config), meaning(again)
    return [name for name in ours if not _alike(ours[name], theirs[name])]


def meaning(config: ModelConfig) -> dict[str, Any]:
    """The fields of a configuration with defaults filled in, and without what none of its layers uses.

    Two configurations of the same meaning are the same model, whatever format it is written in.
    """
    kinds = [config.kind(layer) for layer in range(config.layers)]
    rotary = config.positions == "rotary"
    longrope = None
    if config.longrope is not None and rotary:
        short, long = config.longrope.scales(config.context)
        longrope = config.longrope.model_dump() | {"short_scale": short, "long_scale": long}
    return config.model_dump() | {
        "format": None,
        "kv_heads": config.key_value_heads,
        "head_dim": config.head_size,
        "attention": kinds,
        "sliding_window": config.sliding_window if "window" in kinds else None,
        "blocksparse": config.blocksparse.model_dump() if config.blocksparse and "sparse" in kinds else None,
        "attention_scale": config.score_scale,
        "gegelu_limit": config.gegelu_limit if config.activation == "gegelu" else None,
        "rope_theta": config.rope_theta if rotary else None,
        "rotary_share": config.rotary_size if rotary else None,
        "rope_scaling": config.rope_scaling.model_dump() if config.rope_scaling and rotary else None,
        "longrope": longrope,
        "dummy_tokens": sorted(set(config.dummy_tokens)),
    }


def _alike(one: Any, other: Any) -> bool:
    """Equal; numbers but for the rounding of a reciprocal."""
    if isinstance(one, float) and isinstance(other, float):
        return one == other or math.isclose(one, other, rel_tol=1e-12)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
    return bool(one == other)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
