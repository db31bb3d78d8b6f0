"""What a teacher is: a grader and a writer. The built-in one and an LLM behind an endpoint look the same from outside.

A teacher may fail at single items: a failed grade is `None`, a failed row `Failed`, never an exception, never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from hornbook.teacher.producer import Source

Split = Literal["train", "test"]


@dataclass(frozen=True)
class Grade:
    """A document's educational value, 0 (none) to 5 (could stand in a textbook), and why.

    known: whether the text is of a kind that this teacher can tell the worth of.
    """

    score: int
    reason: str
    known: bool = True


class Grader(Protocol):
    """Grades documents."""

    @property
    def name(self) -> str:
        """Who grades: goes into manifests and the report."""

    def grade(self, texts: Sequence[str]) -> list[Grade | None]:
        """One grade for each text, in order; `None` where no grade could be had."""


@dataclass(frozen=True)
class Case:
    """One call of a function with plain values, and the value that it must return."""

    arguments: tuple[Any, ...]
    expected: Any


@dataclass(frozen=True)
class Exercise:
    """One function: a docstring in, a body out. `text` is the whole of it, as a model reads it.

    `family` and `composition` say what it is made of (names, numbers and phrasings left out);
    `seeds` is a JSON-able record of everything that was sampled; `phrase` is the docstring's content without its verb;
    `ours`: nobody but Hornbook wrote a character of it (see `hornbook.sandbox.program.Program`).
    """

    name: str
    parameters: tuple[str, ...]
    docstring: str
    phrase: str
    body: str
    text: str
    family: str
    composition: str
    cases: tuple[Case, ...]
    seeds: Mapping[str, Any]
    ours: bool = False


@dataclass(frozen=True)
class Problem:
    """A held-out function to write. `prompt` ends with the newline after the docstring, `question` asks in a chat.

    `ours` as of an exercise.
    """

    id: str
    family: str
    composition: str
    name: str
    parameters: tuple[str, ...]
    prompt: str
    question: str
    solution: str
    cases: tuple[Case, ...]
    seeds: Mapping[str, Any]
    ours: bool = False


@dataclass(frozen=True)
class Message:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Conversation:
    """Turns that end with the assistant's. `kind` names the sort of conversation, for shares and figures.

    Outside of any chat, and without `messages`, a `prompt` and how it goes on, its `completion`. compositions: those of
    all functions in it, none where one of them is not `ours`.
    """

    messages: tuple[Message, ...]
    kind: str
    prompt: str = ""
    completion: str = ""
    compositions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trial:
    """How to find out that a rejected body is wrong: run `source` and see that one case at least fails.

    `ours` as of the exercise that it was made of.
    """

    source: str
    function: str
    cases: tuple[Case, ...]
    ours: bool = False


@dataclass(frozen=True)
class Preference:
    """Two answers to one request: a plain `prompt` to go on from, or a chat's `messages` (then `prompt` is empty).

    compositions: as of a conversation, of the better answer.
    """

    chosen: str
    rejected: str
    kind: str
    prompt: str = ""
    messages: tuple[Message, ...] = ()
    trial: Trial | None = None
    compositions: tuple[str, ...] = ()


Chat = Conversation | Preference  # what fine-tuning learns from


@dataclass(frozen=True)
class SafetyPrompt:
    """A request to refuse (`harmful`), or a harmless one that only sounds like it and must be answered."""

    text: str
    harmful: bool


@dataclass(frozen=True)
class Problems:
    """Where held-out problems come from, and how many compositions were set aside and are in training, by family."""

    source: Source[Problem]
    held_out: Mapping[str, int] = field(default_factory=dict)
    training: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """So many rows of one source, among others. A row is a `Chat`, or has one as its `chat`."""

    source: Source[Any]
    count: int


class Writer(Protocol):
    """Writes what a model learns from. Everything follows from the arguments and the seed.

    What is held out follows from the seed alone: `exercises` and `problems` with one seed never share a composition.
    """

    @property
    def name(self) -> str:
        """Who writes: goes into manifests and the report."""

    def exercises(self, *, seed: int) -> Source[Exercise]:
        """Different exercises, as many as are wanted."""

    def task(self, exercise: Exercise, *, seed: int) -> str:
        """The same exercise the other way round: asked for in words, an empty line, the function without docstring."""

    def problems(self, count: int, *, seed: int) -> Problems:
        """`count` problems of held-out compositions, fewer where there are fewer."""

    def conversations(
        self, exercises: Sequence[Exercise], shares: Mapping[str, float], count: int, *, seed: int
    ) -> list[Part]:
        """Where `count` conversations come from: `shares` gives each kind's part of them (they sum to 1)."""

    def preferences(
        self, exercises: Sequence[Exercise], shares: Mapping[str, float], count: int, *, seed: int
    ) -> list[Part]:
        """Where `count` pairs of a better and a worse answer come from: `shares` gives each kind's part of them."""

    def safety_prompts(self, split: Split) -> list[SafetyPrompt]:
        """Requests to refuse and harmless look-alikes; those of "test" are in no conversation and no preference."""
