"""A published config.json while it is read: what is missing, of the wrong kind, or not supported gets one line.

Rotary positions are read as older and newer versions of transformers write them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Never

from pydantic import ValidationError

from hornbook.errors import UserError
from hornbook.model.config import LongRope, ModelConfig, RopeScaling
from hornbook.settings import where_and_what

_ROPE_KEYS = {
    *("type", "rope_type", "rope_theta", "partial_rotary_factor", "factor", "attention_factor"),
    *("short_factor", "long_factor", "short_mscale", "long_mscale", "original_max_position_embeddings"),
    *("low_freq_factor", "high_freq_factor"),
}


@dataclass(frozen=True)
class Rope:
    """The rotary fields of a config.json."""

    theta: Any
    share: Any
    kind: str
    scaling: dict[str, Any]
    """What is left for LongRoPE or another scaling; empty where positions are plain."""


_LARGEST = 1e30  # also so that no quotient of two numbers is too large for a float


class Published:
    """The keys and values of a config.json, and where it lies. A value of null counts as a key that is not there."""

    def __init__(self, values: Mapping[str, Any], where: Path) -> None:
        self.values = {key: value for key, value in values.items() if value is not None}
        self.where = where

    def refuse(self, reason: str) -> Never:
        """Raise UserError that names this file."""
        raise UserError(f"{self.where}: {reason}")

    def need(self, key: str) -> Any:
        """The value of a key that must be there."""
        if key not in self.values:
            self.refuse(f"the key {key!r} is missing")
        return self.values[key]

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key that may be left out."""
        return self.values.get(key, default)

    def number(self, key: str, default: float | None = None) -> Any:
        """The value of a key that must be a number, for arithmetic."""
        value = self.need(key) if default is None else self.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.refuse(f"{key} is {value!r}; a number is needed")
        if not abs(value) <= _LARGEST:  # nor nan
            self.refuse(f"{key} is no number that a model can have")
        return value

    def positive(self, key: str, default: int | None = None) -> int:
        """The value of a key that must be a positive whole number, for arithmetic."""
        value = self.number(key, default)
        if value < 1 or value != int(value):
            self.refuse(f"{key} is {value!r}; a positive whole number is needed")
        return int(value)

    def mapping(self, key: str) -> dict[str, Any]:
        """The value of a key that must be an object, without its nulls; empty where the key is left out."""
        value = self.get(key, {})
        if not isinstance(value, dict):
            self.refuse(f"{key} is {value!r}; an object is needed")
        return {inner: one for inner, one in value.items() if one is not None}

    def must(self, key: str, *allowed: Any) -> None:
        """Refuse any value but those allowed; the first is meant where the key is left out."""
        value = self.get(key, allowed[0])
        if value not in allowed:
            known = " and ".join(repr(one) for one in allowed)
            self.refuse(f"{key} {value!r} is not supported; {known} {'is' if len(allowed) == 1 else 'are'}")

    def shape(self, width: str, heads: str) -> tuple[int, int]:
        """Width and heads, by their keys. A head size of its own is refused: it is width / heads."""
        wide, many = self.positive(width), self.positive(heads)
        size = self.get("head_dim", wide / many)
        if size != wide / many and wide % many == 0:
            self.refuse(f"head_dim {size!r} is not supported; {width} / {heads} is")
        return wide, many

    def dimensions(self, *, own_head_dim: bool = False) -> dict[str, Any]:
        """The sizes of a model, under the keys that every transformers configuration since Llama's has.

        own_head_dim: heads may have another size than width / heads.
        """
        if own_head_dim:
            width, heads = self.positive("hidden_size"), self.positive("num_attention_heads")
        else:
            width, heads = self.shape("hidden_size", "num_attention_heads")
        return {
            "head_dim": self.get("head_dim") if own_head_dim else None,
            "vocabulary": self.need("vocab_size"),
            "layers": self.need("num_hidden_layers"),
            "width": width,
            "heads": heads,
            "kv_heads": self.get("num_key_value_heads", heads),
            "mlp_width": self.need("intermediate_size"),
            "context": self.need("max_position_embeddings"),
            "initial_std": self.get("initializer_range", 0.02),
            "tied_embeddings": self.get("tie_word_embeddings", False),
        }

    def rope(self, theta: float, share: float = 1.0, kinds: tuple[str, ...] = ("longrope",)) -> Rope:
        """The rotary fields: `rope_theta` and `rope_scaling` of older files, `rope_parameters` of newer ones.

        theta, share: the format's defaults. kinds: of scaling that it knows. Raises UserError for any other.
        """
        fields = self.mapping("rope_scaling") | self.mapping("rope_parameters")
        kind = fields.get("rope_type", fields.get("type", "default"))
        kind = "longrope" if kind == "su" else kind
        if kind not in ("default", *kinds):
            known = ", ".join(repr(one) for one in kinds)
            self.refuse(f"rope type {kind!r} is not supported; plain rotary positions and {known} are")
        unknown = sorted(set(fields) - _ROPE_KEYS)
        if unknown:
            self.refuse(f"the rope key {unknown[0]!r} is not supported")
        return Rope(
            fields.get("rope_theta", self.get("rope_theta", theta)),
            fields.get("partial_rotary_factor", self.get("partial_rotary_factor", share)),
            kind,
            fields if kind != "default" else {},
        )

    def longrope(self, rope: Rope, original: Any, scales: tuple[Any, Any]) -> LongRope | None:
        """LongRoPE's factors, None without them. scales: of cosine and sine, short and long."""
        if rope.kind != "longrope":
            return None
        for key in ("short_factor", "long_factor"):
            if not isinstance(rope.scaling.get(key), list):
                self.refuse(f"the rope type 'longrope' needs {key}, a list of numbers")
        try:
            return LongRope(
                original=original,
                short=rope.scaling["short_factor"],
                long=rope.scaling["long_factor"],
                short_scale=scales[0],
                long_scale=scales[1],
            )
        except ValidationError as error:
            self._invalid(error)

    def rope_scaling(self, rope: Rope) -> RopeScaling | None:
        """The scaling by one factor, None without it. Raises UserError where a number that it needs is missing."""
        if rope.kind not in ("linear", "llama3"):
            return None
        keys = {"factor": "factor"}
        if rope.kind == "llama3":
            keys |= {"low_freq_factor": "low_freq_factor", "high_freq_factor": "high_freq_factor"}
            keys["original_max_position_embeddings"] = "original"
        for key in keys:
            if key not in rope.scaling:
                self.refuse(f"the rope type {rope.kind!r} needs {key}")
        try:
            return RopeScaling(kind=rope.kind, **{ours: rope.scaling[key] for key, ours in keys.items()})
        except ValidationError as error:
            self._invalid(error)

    def one_scale(self, rope: Rope, original: Any) -> tuple[Any, Any]:
        """Both scales as transformers knows them: `attention_factor`, or the formula over `factor` if one is given."""
        for key in ("short_mscale", "long_mscale"):
            if key in rope.scaling:
                self.refuse(f"the rope key {key!r} is not supported by this model_type; 'attention_factor' is")
        scale = rope.scaling.get("attention_factor")
        factor = rope.scaling.get("factor")
        if scale is None and isinstance(factor, int | float) and isinstance(original, int) and original > 1:
            scale = math.sqrt(1 + math.log(factor) / math.log(original)) if factor > 1 else 1.0
        return scale, scale

    def build(self, **fields: Any) -> ModelConfig:
        """The configuration of these fields. Raises UserError with the first that is not valid."""
        try:
            return ModelConfig(**fields)
        except ValidationError as error:
            self._invalid(error)

    def _invalid(self, error: ValidationError) -> Never:
        key, message = where_and_what(error.errors()[0])
        self.refuse(f"{key or 'shape'}: {message}")


def dimensions(config: ModelConfig) -> dict[str, Any]:
    """The keys that `Published.dimensions` reads."""
    return {
        "vocab_size": config.vocabulary,
        "num_hidden_layers": config.layers,
        "hidden_size": config.width,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.key_value_heads,
        "intermediate_size": config.mlp_width,
        "max_position_embeddings": config.context,
        "initializer_range": config.initial_std,
        "tie_word_embeddings": config.tied_embeddings,
    }


def rotary(config: ModelConfig) -> dict[str, Any]:
    """The rotary keys that transformers reads, of any version: theta, share, and how positions are scaled."""
    values: dict[str, Any] = {
        "rope_theta": config.rope_theta,
        "partial_rotary_factor": config.rotary_share,
        "rope_scaling": None,
    }
    rope = config.longrope
    if rope is not None:
        values["rope_scaling"] = {
            "type": "longrope",
            "short_factor": list(rope.short),
            "long_factor": list(rope.long),
        }
        if rope.short_scale is not None:
            values["rope_scaling"]["attention_factor"] = rope.short_scale
    scaling = config.rope_scaling
    if scaling is not None:
        values["rope_scaling"] = {"rope_type": scaling.kind, "type": scaling.kind, "factor": scaling.factor}
        if scaling.kind == "llama3":
            values["rope_scaling"] |= {
                "low_freq_factor": scaling.low_freq_factor,
                "high_freq_factor": scaling.high_freq_factor,
                "original_max_position_embeddings": scaling.original,
            }
    return values
