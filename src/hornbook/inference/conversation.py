"""A conversation with a model that remembers as many turns as its context holds."""

from __future__ import annotations

from collections.abc import Iterator

from hornbook.errors import UserError
from hornbook.inference.generate import stream
from hornbook.inference.sampling import Sampling
from hornbook.model.tokenizers import Tokenizer
from hornbook.model.transformer import Transformer


class Conversation:
    """Turns so far; `forgotten` is how many of them the last answer could no longer see."""

    def __init__(
        self,
        model: Transformer,
        tokenizer: Tokenizer,
        sampling: Sampling | None = None,
        *,
        limit: int = 256,
        system: str | None = None,
    ) -> None:
        """limit: tokens of an answer at most. system: what the model is told before the conversation begins."""
        self._model, self._tokenizer, self._sampling, self._limit = model, tokenizer, sampling or Sampling(), limit
        self._system = [{"role": "system", "content": system}] if system else []
        self._turns: list[dict[str, str]] = []
        self.forgotten = 0

    @property
    def about(self) -> str:
        """The model in a few words."""
        return f"{self._model.config.parameters():,} parameters, context of {self._model.config.context} tokens"

    def reset(self) -> None:
        """Forget everything."""
        self._turns, self.forgotten = [], 0

    def answer(self, said: str) -> Iterator[str]:
        """Yield the assistant's answer as it is made. What was yielded counts as said, also when stopped early.

        Raises UserError for a message that is too long or that the template refuses; it then was never said.
        """
        turns = [*self._turns, {"role": "user", "content": said}]
        prompt = self._prompt(turns)
        self._turns = turns
        ids = stream(self._model, prompt, limit=self._limit, stops=self._tokenizer.stops, sampling=self._sampling)
        words: list[str] = []
        try:
            for piece in self._tokenizer.stream(ids):
                words.append(piece)
                yield piece
        finally:
            self._turns.append({"role": "assistant", "content": "".join(words)})

    def _prompt(self, turns: list[dict[str, str]]) -> list[int]:
        """Ids of the latest turns that leave room for an answer: a third of the context, or `limit` if that is less."""
        context = self._model.config.context
        room = context - min(self._limit, context // 3)
        for start in range(0, len(turns), 2):
            ids = self._tokenizer.chat(self._system + turns[start:])
            if len(ids) <= room or (start >= len(turns) - 1 and len(ids) < context):
                self.forgotten = start
                return ids
        raise UserError(f"the message does not fit the model's context of {context} tokens; say it shorter")
