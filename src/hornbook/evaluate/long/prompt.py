"""A question over a long prompt: how a text becomes the ids that a model is asked with, and as long as it may be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

NEAR = 8192  # long prompts may stay one part in so many below their length: to be nearer costs seconds each
_FIRST = 256  # units that tell how many tokens a unit has
_GUESSES = 12  # by interpolation, which is nearly always enough; then by halves


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
    room: the longest answer in tokens. len(prompt) + room is at most the length that was asked for.
    depth: where the needle lies, in percent of the haystack before it; None where there is no one place.
    """

    prompt: list[int]
    text: str
    expected: tuple[str, ...]
    room: int
    depth: float | None = None


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


class TooShortError(ValueError):
    """The task's frame alone, without any haystack, is longer than the length asked for."""


def fit(build: Callable[[int], Question], length: int, most: int, *, least: int = 0) -> Question:
    """The question `build(n)` of nearly the largest n from `least` to `most` that fits into `length` tokens.

    Either n is `most`, or n + 1 does not fit, or at most one part in 8,192 of the length is left.
    Tokens are taken to grow with n. Raises TooShortError when `build(least)` does not fit.
    """
    best = build(least)
    if tokens(best) > length:
        raise TooShortError(f"the task needs {tokens(best)} tokens at least")
    low, high = least, most + 1  # low fits; high does not, or may not be asked for
    known = [(least, tokens(best))]
    while high - low > 1 and length - tokens(best) > length // NEAR:
        middle = (low + high) // 2 if len(known) > _GUESSES else _interpolate(known, length)
        middle = min(max(middle, low + 1), high - 1)
        question = build(middle)
        known.append((middle, tokens(question)))
        if tokens(question) <= length:
            low, best = middle, question
        else:
            high = middle
    return best


def _interpolate(known: list[tuple[int, int]], length: int) -> int:
    """Where the line through the two known points nearest to the length reaches it; known: (units, tokens)."""
    if len(known) == 1:
        return known[0][0] + _FIRST
    (near, near_tokens), (far, far_tokens) = sorted(known, key=lambda point: abs(point[1] - length))[:2]
    rate = max((near_tokens - far_tokens) / (near - far), 0.01)
    return near + int((length - near_tokens) // rate)


def tokens(question: Question) -> int:
    """Length of the prompt with room for its answer."""
    return len(question.prompt) + question.room
