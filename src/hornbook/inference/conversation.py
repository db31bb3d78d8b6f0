"""A conversation with a model that remembers as many turns as its context holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hornbook.errors import UserError
from hornbook.inference.generate import stream
from hornbook.inference.opening import scheduler_of
from hornbook.inference.sampling import Sampling
from hornbook.inference.scheduler import Scheduler
from hornbook.model.tokenizers import Tokenizer

if TYPE_CHECKING:
    from hornbook.model.transformer import Transformer


class Conversation:
    """Turns so far; `forgotten` is how many of them the last answer could no longer see."""

    def __init__(
        self,
        model: Transformer | Scheduler,
        tokenizer: Tokenizer,
        sampling: Sampling | None = None,
        *,
        limit: int = 256,
        system: str | None = None,
    ) -> None:
        """limit: tokens of an answer at most. system: what the model is told before the conversation begins."""
        # One scheduler for all turns: its cache holds what was said, so that a turn reads only what is new.
        self._scheduler = model if isinstance(model, Scheduler) else scheduler_of(model, most=1)
        self._tokenizer, self._sampling, self._limit = tokenizer, sampling or Sampling(), limit
        self._system = [{"role": "system", "content": system}] if system else []
        self._turns: list[dict[str, str]] = []
        self.forgotten = 0

    @property
    def about(self) -> str:
        """What it holds, in a few words."""
        return f"context of {self.context} tokens"

    @property
    def context(self) -> int:
        """The longest conversation in tokens."""
        return self._scheduler.context

    @property
    def turns(self) -> list[dict[str, str]]:
        """What was said, with what the model was told before."""
        return [*self._system, *self._turns]

    def reset(self, system: str | None = None) -> None:
        """Forget everything; what the model is told before it begins stays, or becomes `system`, "" for nothing."""
        if system is not None:
            self._system = [{"role": "system", "content": system}] if system else []
        self._turns, self.forgotten = [], 0

    def take_back(self) -> str | None:
        """Forget the last message and its answer; returns the message, None where there is none."""
        if not self._turns:
            return None
        said = self._turns[-2]["content"]
        self._turns = self._turns[:-2]
        # The same seed would draw the same answer.
        self._sampling = self._sampling.model_copy(update={"seed": self._sampling.seed + 1})
        return said

    def answer(self, said: str) -> Iterator[str]:
        """Yield the assistant's answer as it is made. What was yielded counts as said, also when stopped early.

        Raises UserError for a message that is too long or that the template refuses; it then was never said.
        """
        turns = [*self._turns, {"role": "user", "content": said}]
        prompt = self._prompt(turns)
        self._turns = turns
        ids = stream(self._scheduler, prompt, limit=self._limit, stops=self._tokenizer.stops, sampling=self._sampling)
        words: list[str] = []
        try:
            for piece in self._tokenizer.stream(ids):
                words.append(piece)
                yield piece
        finally:
            self._turns.append({"role": "assistant", "content": "".join(words)})

    def _prompt(self, turns: list[dict[str, str]]) -> list[int]:
        """Ids of the latest turns that leave room for an answer: a third of the context, or `limit` if that is less."""
        context = self.context
        room = context - min(self._limit, context // 3)
        for start in range(0, len(turns), 2):
            ids = self._tokenizer.chat(self._system + turns[start:])
            if len(ids) <= room or (start >= len(turns) - 1 and len(ids) < context):
                self.forgotten = start
                return ids
        raise UserError(f"the message does not fit the model's context of {context} tokens; say it shorter")
