"""How text becomes tokens, and which text a phase of training reads."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from hornbook.settings import Settings


class TokensSettings(Settings):
    """The tokenizer and the packing."""

    training_characters: int = Field(8_000_000, ge=10_000, description="text that the tokenizer is trained on")
    held_out: float = Field(0.02, gt=0, lt=0.5, description="share of each source kept for the validation loss")
    validation_tokens: int = Field(40_000, ge=1_000, description="at most this many held-out tokens of each source")


class Component(Settings):
    """One ingredient of a phase: documents of some sources above a score, and their share of the phase's tokens."""

    sources: tuple[str, ...] = Field(min_length=1)
    minimum_score: float = Field(0.0, description="documents that were never graded count as good enough")
    share: float = Field(gt=0, le=1)


class Phase(Settings):
    """A phase of pretraining: how many tokens it reads, and of what."""

    tokens: int = Field(ge=1)
    mixture: tuple[Component, ...] = Field(min_length=1)
    maximum_epochs: float = Field(8.0, gt=0, description="no document is read more often; shares shrink instead")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        total = sum(component.share for component in self.mixture)
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the shares of a mixture must add up to 1, these add up to {total:g}")
        return self
