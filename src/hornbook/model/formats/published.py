"""A published config.json while it is read: what is missing, of the wrong kind, or not supported gets one line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Never

from pydantic import ValidationError

from hornbook.errors import UserError
from hornbook.model.config import LongRope, ModelConfig
from hornbook.settings import where_and_what


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
        """Width and heads, by their keys. A head size of its own is refused: ours is width / heads."""
        wide, many = self.positive(width), self.positive(heads)
        size = self.get("head_dim", wide / many)
        if size != wide / many and wide % many == 0:
            self.refuse(f"head_dim {size!r} is not supported; {width} / {heads} is")
        return wide, many

    def dimensions(self) -> dict[str, Any]:
        """The sizes of a model, under the keys that every transformers configuration since Llama's has."""
        width, heads = self.shape("hidden_size", "num_attention_heads")
        return {
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

    def build(self, **fields: Any) -> ModelConfig:
        """The configuration of these fields. Raises UserError with the first that is not valid."""
        try:
            return ModelConfig(**fields)
        except ValidationError as error:
            self._invalid(error)

    def longrope(self, **fields: Any) -> LongRope:
        """The LongRoPE settings of these fields. Raises UserError with the first that is not valid."""
        try:
            return LongRope(**fields)
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
