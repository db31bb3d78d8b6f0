"""A question over a long prompt, and how a text becomes the ids that a model is asked with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


class Vocabulary(Protocol):
    """What is needed of a tokenizer; `hornbook.model.tokenizers.Tokenizer` has it."""

    @property
    def template(self) -> str | None:
        """The chat template, if there is one."""

    def encode(self, text: str) -> list[int]:
        """Ids of plain text."""

    def chat_with_mask(
        self, messages: Sequence[Mapping[str, str]], *, answer: bool = False
    ) -> tuple[list[int], list[bool]]:
        """Ids of a conversation, and which are the assistant's words and the token after them; `answer`: its turn."""


@dataclass(frozen=True)
class Question:
    """A prompt and what a right answer to it holds.

    prompt: the ids; text: the same as text, without a chat template's own.
    any_of: one of `expected` is enough; else each of them counts.
    room: the longest answer in tokens. len(prompt) + room is at most the length that was asked for.
    depth: where the needle lies, in percent of the haystack before it; None where there is no one place.
    """

    prompt: list[int]
    text: str
    expected: tuple[str, ...]
    room: int
    depth: float | None = None
    any_of: bool = False


class Prompter:
    """Turns a task's text and the first words of its answer into ids.

    With `chat` the text is a user's message and the model is made to begin its answer with those words (as RULER
    does); without, the text goes on with them.
    """

    def __init__(self, tokenizer: Vocabulary, *, chat: bool | None = None) -> None:
        """chat: whether to use the chat template; unless given, if there is one."""
        self._tokenizer = tokenizer
        self.chat = tokenizer.template is not None if chat is None else chat

    def ids(self, text: str, begins: str) -> list[int]:
        """The prompt's ids; `begins` are the first words of the answer."""
        if self.chat:
            asked = {"role": "user", "content": text}
            if not begins:
                return self._tokenizer.chat_with_mask([asked], answer=True)[0]
            ids, said = self._tokenizer.chat_with_mask([asked, {"role": "assistant", "content": begins}])
            return ids[: len(said) - 1 - said[::-1].index(True)]  # without the token that ends the answer
        return self._tokenizer.encode(f"{text}\n{begins}" if begins else text)
