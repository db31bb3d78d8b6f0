"""How long contexts are tested."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator

from hornbook.amounts import Length
from hornbook.errors import UserError, nearest
from hornbook.evaluate.long.passkey import PasskeyForm
from hornbook.evaluate.long.tasks import TASKS
from hornbook.machine import Precision
from hornbook.settings import Settings, comma_separated, where_and_what

SHORTEST = 512


class LongSettings(Settings):
    """Which tasks, at which lengths and depths, how often; answers are always greedy."""

    tasks: tuple[str, ...] = Field((), description="every task unless given")
    lengths: tuple[Length, ...] = Field(
        (), description="tokens of a prompt with room for its answer; powers of two from 512 to the model's context"
    )
    depths: tuple[float, ...] = Field((0, 25, 50, 75, 100), min_length=1, description="percent of the text before it")
    samples: int = Field(4, ge=1, description="prompts of each depth; tasks without a depth get as many in all")
    seed: int = Field(0, ge=0)
    precision: Precision = Field("fp32", description="what answers are computed in, whatever the machine")
    tokens_at_once: int = Field(16_384, ge=1, description="prompts are answered together up to this many tokens")
    text: Path | None = Field(
        None, description="a text file or folder to hide things in; made-up sentences unless given"
    )
    questions: Path | None = Field(None, description="a JSONL file of question, answer or answers, and paragraph")
    chat: bool | None = Field(None, description="ask in the chat template; when the tokenizer has one, unless given")
    passkey: PasskeyForm = PasskeyForm()
    passkey_text: Path | None = Field(
        None, description="what the passkey is hidden in; repeated sentences unless given"
    )

    @model_validator(mode="after")
    def _known(self) -> Self:
        for name in self.tasks:
            if name not in TASKS:
                raise ValueError(f"there is no task {name!r}{nearest(name, TASKS)}; the tasks are {', '.join(TASKS)}")
        if any(length < 1 for length in self.lengths):
            raise ValueError("lengths are numbers of tokens, 1 at least")
        if any(not 0 <= depth <= 100 for depth in self.depths):
            raise ValueError("depths are percentages from 0 to 100")
        return self

    def lengths_for(self, context: int) -> list[int]:
        """The lengths to test in a model of this context. Raises UserError for one that is longer."""
        if self.lengths:
            if max(self.lengths) > context:
                raise UserError(
                    f"length {max(self.lengths)} is beyond the model's context of {context} tokens; leave it out, "
                    "or extend the model first"
                )
            return sorted(set(self.lengths))
        powers = [2**power for power in range(SHORTEST.bit_length() - 1, context.bit_length())]
        return [length for length in powers if length <= context] or [context]


def from_options(options: Mapping[str, Any]) -> LongSettings:
    """Settings from what a user typed: lists are separated by commas, and 4K means 4,096.

    Options that are None were not given. Raises UserError that says what is wrong.
    """
    values = {name: value for name, value in options.items() if value is not None}
    for name in ("tasks", "lengths", "depths"):
        if name in values:
            values[name] = comma_separated(values[name])
    try:
        return LongSettings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        where = f"--{first['loc'][0]}: " if first["loc"] else ""
        raise UserError(where + where_and_what(first)[1]) from None
