"""What a family of exercises is: axes of parts, and a function that writes a composition as words, code and meaning."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hornbook.teacher.builtin.exercises.parts import Bound, Part


@dataclass(frozen=True)
class Style:
    """How a composition is worded and named. `names` are the parameters; `form` and `noun` choose among wordings."""

    names: tuple[str, ...]
    form: int
    noun: int

    def pick(self, *options: str) -> str:
        """One of the family's own sentence forms."""
        return options[self.form // 2 % len(options)]


@dataclass(frozen=True)
class Sketch:
    """A composition written down: `phrase` says what the function returns; `meaning` computes it another way."""

    phrase: str
    body: tuple[str, ...]
    meaning: Callable[..., Any]


@dataclass(frozen=True)
class Family:
    """Functions of one shape. `write(style, *bound parts)` gives the sketch.

    `kinds` are the kinds of the arguments (see `arguments`); `verbs` start descriptive names; `frames` is the set of
    sentence frames of the docstring; families with the same `group` hold out the same combinations of parts.
    """

    name: str
    axes: tuple[tuple[Part, ...], ...]
    kinds: tuple[str, ...]
    write: Callable[..., Sketch]
    verbs: tuple[str, ...]
    frames: str = "value"
    group: str = ""
    allowed: Callable[[Sequence[str]], bool] = lambda keys: True

    def compositions(self) -> Iterator[tuple[Part, ...]]:
        """Every allowed combination of parts, in a fixed order."""
        for parts in itertools.product(*self.axes):
            if self.allowed([part.key for part in parts]):
                yield parts

    def sketch(self, style: Style, parts: Sequence[Bound]) -> Sketch:
        """Write one composition."""
        return self.write(style, *parts)


def key_of(family: str, parts: Sequence[Part]) -> str:
    """The canonical name of a composition: `reduce/sum+square+even`."""
    return f"{family}/{'+'.join(part.key for part in parts)}"


def differ(*positions: int) -> Callable[[Sequence[str]], bool]:
    """A rule for `Family.allowed`: the parts at these positions are not all the same one."""
    return lambda keys: len({keys[position] for position in positions}) > 1


def something(*positions: int) -> Callable[[Sequence[str]], bool]:
    """A rule for `Family.allowed`: not every part at these positions is the one that does nothing."""
    return lambda keys: any(keys[position] not in ("same", "all") for position in positions)
