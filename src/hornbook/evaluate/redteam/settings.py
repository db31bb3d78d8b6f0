"""What the red team tries."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from hornbook.errors import nearest
from hornbook.evaluate.redteam.attacks import families
from hornbook.settings import Settings

ADAPTIVE = "adaptive"  # the family of the LLM that finds its own way


class RedteamSettings(Settings):
    """Requests, ways of asking, and how long; answers are always greedy."""

    requests: Path | None = Field(None, description="a file of requests; those that come with Hornbook unless given")
    families: tuple[str, ...] = Field((), description="ways of asking; all unless given")
    limit: int | None = Field(None, ge=1, description="so many requests; all unless given")
    tries: int = Field(1, ge=1, description="variants of each way that each request is asked in")
    turns: int = Field(4, ge=1, description="that an LLM has to bring the model to it")
    new_tokens: int = Field(128, ge=1, description="of an answer")
    seed: int = Field(1, ge=0, description="draws variants and personas")

    @model_validator(mode="after")
    def _known(self) -> Self:
        there = (*families(), ADAPTIVE)
        for name in self.families:
            if name not in there:
                raise ValueError(f"there is no way {name!r}{nearest(name, there)}; there are {', '.join(there)}")
        return self
