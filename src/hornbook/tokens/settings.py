"""How text becomes tokens, and which text a phase of training reads."""

from __future__ import annotations

import math
from typing import Annotated, Self, TypeVar

from pydantic import Field, model_validator

from hornbook.amounts import Count, Length
from hornbook.errors import UserError
from hornbook.settings import NAME_OR_PLACE, Settings

SMALLEST_VOCABULARY = 6 + 256  # of a tokenizer of our own: the control tokens and every byte


class TokensSettings(Settings):
    """The tokenizer and the packing."""

    length: Length | None = Field(
        None, ge=8, description="tokens of a row that pretraining reads; unset: as many as the model's context has"
    )
    tokenizer: Annotated[str | None, NAME_OR_PLACE] = Field(
        None, description="a model's name or folder, whose tokenizer is taken; unset: learnt from the mixture"
    )
    training_characters: int = Field(8_000_000, ge=10_000, description="text that the tokenizer is trained on")
    held_out: float = Field(0.02, gt=0, lt=0.5, description="share of each source kept for the validation loss")
    validation_tokens: Count = Field(
        40_000, ge=1_000, description="held-out tokens of each source, to the end of the document that reaches them"
    )

    def check_model(self, vocabulary: int, context: int, initial_model: str) -> None:
        """Raise UserError for rows that no such model can read. initial_model: that it goes on from; empty for none."""
        if self.tokenizer and initial_model:
            raise UserError("tokens.tokenizer can't be set beside model.from, whose tokenizer it is")
        if self.length is not None and self.length > context:
            raise UserError(f"tokens.length is {self.length}, the model's context is {context}")
        if vocabulary < SMALLEST_VOCABULARY and not initial_model and not self.tokenizer:
            raise UserError(
                f"model.vocabulary is {vocabulary}; control tokens and bytes alone take {SMALLEST_VOCABULARY} ids"
            )


class Component(Settings):
    """One ingredient of a phase: documents of some sources, scores and languages, and their share of its tokens."""

    sources: tuple[str, ...] = Field(min_length=1)
    minimum_score: float = Field(0.0, description="documents that were never graded count as good enough")
    maximum_score: float | None = Field(None, description="documents with a higher score belong to other ingredients")
    languages: tuple[str, ...] = Field(
        (), description='codes such as "en", "code"; "!en" is every language but English; unset: all'
    )
    share: float = Field(gt=0, le=1)
    maximum_epochs: float | None = Field(
        None, gt=0, description="how often its documents are read at most; as the phase says unless given"
    )

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.maximum_score is not None and self.minimum_score > self.maximum_score:
            raise ValueError(f"no score is at least {self.minimum_score:g} and at most {self.maximum_score:g}")
        refused = [code for code in self.languages if code.startswith("!")]
        if refused and len(refused) < len(self.languages):
            raise ValueError("languages names either those that are wanted or, each with a !, those that are not")
        return self

    def takes(self, source: str, score: float | None, language: str | None) -> bool:
        """Whether a document belongs to this ingredient. One without a score passes, one without a language can't."""
        if source not in self.sources:
            return False
        highest = math.inf if self.maximum_score is None else self.maximum_score
        if score is not None and not self.minimum_score <= score <= highest:
            return False
        if not self.languages:
            return True
        if self.languages[0].startswith("!"):
            return language is not None and f"!{language}" not in self.languages
        return language in self.languages


class Phase(Settings):
    """A phase of pretraining: how many tokens it reads, and of what."""

    tokens: Count = Field(ge=1)
    mixture: tuple[Component, ...] = Field(min_length=1)
    maximum_epochs: float = Field(8.0, gt=0, description="no document is read more often; shares shrink instead")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        total = sum(component.share for component in self.mixture)
        if self.mixture and abs(total - 1) > 1e-6:
            raise ValueError(f"the shares of a mixture must add up to 1, these add up to {total:g}")
        return self

    @property
    def epochs(self) -> tuple[float, ...]:
        """How often the documents of each ingredient are read at most."""
        return tuple(component.maximum_epochs or self.maximum_epochs for component in self.mixture)


class OptionalPhase(Phase):
    """A phase that is left out where it reads no tokens."""

    tokens: Count = Field(0, ge=0, description="0: the phase is left out")
    mixture: tuple[Component, ...] = ()

    @model_validator(mode="after")
    def _of_something(self) -> Self:
        if self.tokens and not self.mixture:
            raise ValueError("it reads tokens, so it needs a mixture to take them from")
        return self


P = TypeVar("P", bound=Phase)


def phases_of(phase1: P, phase2: P) -> dict[str, P]:
    """By name those of the two that there are, in their order."""
    return {"phase1": phase1, "phase2": phase2} if phase1.tokens else {"phase2": phase2}
