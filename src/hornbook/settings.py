"""The base of every typed configuration: unknown keys are errors, values do not change after validation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """A frozen configuration that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def where_and_what(problem: Mapping[str, Any]) -> tuple[str, str]:
    """One of a ValidationError's `errors()`: the dotted key, empty where no single one is meant, and the message."""
    return ".".join(str(step) for step in problem["loc"]), str(problem["msg"]).removeprefix("Value error, ")
