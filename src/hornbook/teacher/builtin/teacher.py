"""The built-in teacher: grades by rubric and writes by composition, with no network and no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from hornbook.seeds import stream
from hornbook.teacher.builtin import conversations, preferences, safety
from hornbook.teacher.builtin.exercises import problems
from hornbook.teacher.builtin.exercises.catalogue import compositions, held_out
from hornbook.teacher.builtin.exercises.draw import drawings, exercise
from hornbook.teacher.builtin.rubric import grade
from hornbook.teacher.checks import chat_complaints, exercise_complaints, problem_complaints
from hornbook.teacher.interface import Exercise, Grade, Part, Problems, SafetyPrompt, Split
from hornbook.teacher.producer import Composed, Failed, Source


class BuiltinTeacher:
    """A `Grader` and a `Writer`."""

    name = "builtin"

    def __init__(self, families: int | None = None, names: int | None = None) -> None:
        """Of how many families exercises are, and how many names they have; unset: all. See `drawings`."""
        self._families, self._names = families, names

    def grade(self, texts: Sequence[str]) -> list[Grade | None]:
        """See `Grader.grade`; the rubric never fails."""
        return [grade(text) for text in texts]

    def exercises(self, *, seed: int) -> Source[Exercise]:
        """See `Writer.exercises`; of all families there is no end of them."""
        drawn = (exercise(drawn) for drawn in drawings(seed, self._families, self._names))
        return Composed(drawn, exercise_complaints, hint="Name another teacher")

    def task(self, exercise: Exercise, *, seed: int) -> str:
        """See `Writer.task`."""
        random = stream(seed, "task", exercise.text)
        return f"{conversations.question(exercise, random)}\n\n{conversations.code(exercise)}\n"

    def problems(self, count: int, *, seed: int) -> Problems:
        """See `Writer.problems`."""
        held = held_out(seed)
        return Problems(
            source=Composed(problems.problems(count, seed), partial(problem_complaints, ours=True)),
            held_out={family: len(keys) for family, keys in held.items()},
            training={family: len(keyed) - len(held[family]) for family, keyed in compositions().items()},
        )

    def conversations(
        self, exercises: Sequence[Exercise], shares: Mapping[str, float], count: int, *, seed: int
    ) -> list[Part]:
        """See `Writer.conversations`."""
        made = conversations.conversations(exercises, shares, count, seed)
        return [Part(Composed(made, chat_complaints), count)]

    def preferences(
        self, exercises: Sequence[Exercise], shares: Mapping[str, float], count: int, *, seed: int
    ) -> list[Part]:
        """See `Writer.preferences`. A tenth more is composed than is wanted: some slips turn out to be none."""
        made = preferences.preferences(exercises, shares, count + count // 10, seed)
        rows = [Failed("no pair: no exercise is left that is short enough") if one is None else one for one in made]
        return [Part(Composed(rows, chat_complaints), count)]

    def safety_prompts(self, split: Split) -> list[SafetyPrompt]:
        """See `Writer.safety_prompts`."""
        return safety.prompts(split)
