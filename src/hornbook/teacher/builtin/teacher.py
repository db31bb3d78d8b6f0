"""The built-in teacher: grades by rubric and writes by composition, with no network and no model."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

from hornbook.seeds import stream
from hornbook.teacher.builtin import conversations, preferences, safety
from hornbook.teacher.builtin.exercises import problems, writing
from hornbook.teacher.builtin.exercises.catalogue import compositions
from hornbook.teacher.builtin.exercises.draw import exercise
from hornbook.teacher.builtin.exercises.splits import held_out
from hornbook.teacher.builtin.rubric import grade
from hornbook.teacher.interface import (
    Conversation,
    Exercise,
    Grade,
    Preference,
    Problems,
    SafetyPrompt,
    Split,
)

BATCH = 1_000


class BuiltinTeacher:
    """A `Grader` and a `Writer`."""

    name = "builtin"

    def grade(self, texts: Sequence[str]) -> list[Grade | None]:
        """See `Grader.grade`; the rubric never fails."""
        return [grade(text) for text in texts]

    def exercises(self, *, seed: int) -> Iterator[Sequence[Exercise | None]]:
        """See `Writer.exercises`; none fails, and there is no end of them."""
        drawings = writing.drawings(seed)
        while True:
            yield [exercise(drawn) for drawn in itertools.islice(drawings, BATCH)]

    def task(self, exercise: Exercise, *, seed: int) -> str:
        """See `Writer.task`."""
        random = stream(seed, "task", exercise.text)
        return f"{conversations.question(exercise, random)}\n\n{conversations.code(exercise)}\n"

    def problems(self, count: int, *, seed: int) -> Problems:
        """See `Writer.problems`."""
        held = held_out(seed)
        return Problems(
            problems=tuple(problems.problems(count, seed)),
            held_out={family: len(keys) for family, keys in held.items()},
            training={family: len(keyed) - len(held[family]) for family, keyed in compositions().items()},
        )

    def conversations(
        self, exercises: Sequence[Exercise], shares: Mapping[str, float], count: int, *, seed: int
    ) -> list[Conversation | None]:
        """See `Writer.conversations`."""
        return conversations.conversations(exercises, shares, count, seed)

    def preferences(
        self, exercises: Sequence[Exercise], shares: Mapping[str, float], count: int, *, seed: int
    ) -> list[Preference | None]:
        """See `Writer.preferences`."""
        return preferences.preferences(exercises, shares, count, seed)

    def safety_prompts(self, split: Split) -> list[SafetyPrompt]:
        """See `Writer.safety_prompts`."""
        return safety.prompts(split)
