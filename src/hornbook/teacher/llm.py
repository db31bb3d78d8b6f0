"""An LLM behind endpoints as a teacher: it grades by a rubric file and writes exercises from a template file.

What is composed around exercises (conversations, pairs, safety prompts) the built-in teacher composes here as well.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import count as numbers_from
from itertools import islice
from typing import TYPE_CHECKING

from hornbook.seeds import derive, stream
from hornbook.teacher.client.messages import Answer
from hornbook.teacher.interface import (
    Conversation,
    Exercise,
    Grade,
    Preference,
    Problem,
    Problems,
    SafetyPrompt,
    Split,
)
from hornbook.teacher.kinds.answers import Written, written
from hornbook.teacher.kinds.asking import Asker
from hornbook.teacher.kinds.checks import UnusableError, what_to_run
from hornbook.teacher.kinds.draws import Supply
from hornbook.teacher.kinds.produce import Order, rows_of
from hornbook.teacher.kinds.template import Kind
from hornbook.teacher.rubrics import Rubric

if TYPE_CHECKING:
    from hornbook.teacher.builtin.teacher import BuiltinTeacher

BATCH = 64  # exercises that are asked for at once
HELD_OUT = 1 / 7  # share of the functions' names that only problems have
MOST_TRIED = 4  # requests for each problem that is wanted
_VERB = re.compile(r"\A(?:Returns?|Give|Gives|Compute|Computes)\s+", re.IGNORECASE)


class LlmGrader:
    """A `Grader`: asks once about each document, reason before score; what brings no fitting answer has no grade."""

    def __init__(self, asker: Asker, rubric: Rubric) -> None:
        self._asker, self._rubric = asker, rubric

    @property
    def name(self) -> str:
        """The model and the rubric."""
        return f"{self._asker.name} ({self._rubric.name})"

    def grade(self, texts: Sequence[str]) -> list[Grade | None]:
        """See `Grader.grade`."""
        requests = [self._rubric.request(text) for text in texts]
        return [_grade(answer) for answer in self._asker.ask(requests, total=len(requests), label="grade")]


def _grade(answer: Answer) -> Grade | None:
    return Grade(int(answer.value["score"]), answer.value["reason"].strip()) if answer.ok else None


class LlmWriter:
    """A `Writer`. A function's name decides whether an exercise or a problem may be about it; the seed decides how."""

    def __init__(self, asker: Asker, kind: Kind) -> None:
        """`kind` is a template whose rows are functions that are run (`check.run = "function"`)."""
        from hornbook.teacher.builtin.teacher import BuiltinTeacher

        if kind.template.check.run != "function":
            raise ValueError(f"the template {kind.name} writes no functions")
        self._asker, self._kind = asker, kind
        self._builtin: BuiltinTeacher = BuiltinTeacher()

    @property
    def name(self) -> str:
        """The model."""
        return self._asker.name

    def exercises(self, *, seed: int) -> Iterator[Sequence[Exercise | None]]:
        """See `Writer.exercises`. There is no end of them, but names come up again."""
        rows = self._numbers(seed, held_out=False)
        while True:
            yield self._written(list(islice(rows, BATCH)), seed)

    def problems(self, count: int, *, seed: int) -> Problems:
        """See `Writer.problems`: of held-out names."""
        numbers = list(islice(self._numbers(seed, held_out=True), count * MOST_TRIED))
        found: list[Problem] = []
        for start in range(0, len(numbers), max(count, 1)):
            made = [one for one in self._written(numbers[start : start + count], seed) if one is not None]
            found += [_problem(one, seed) for one in made]
            if len(found) >= count:
                break
        return Problems(problems=tuple(found[:count]))

    def task(self, exercise: Exercise, *, seed: int) -> str:
        """See `Writer.task`."""
        return self._builtin.task(exercise, seed=seed)

    def conversations(
        self, exercises: Sequence[Exercise], shares: Mapping[str, float], count: int, *, seed: int
    ) -> list[Conversation | None]:
        """See `Writer.conversations`."""
        return self._builtin.conversations(exercises, shares, count, seed=seed)

    def preferences(
        self, exercises: Sequence[Exercise], shares: Mapping[str, float], count: int, *, seed: int
    ) -> list[Preference | None]:
        """See `Writer.preferences`."""
        return self._builtin.preferences(exercises, shares, count, seed=seed)

    def safety_prompts(self, split: Split) -> list[SafetyPrompt]:
        """See `Writer.safety_prompts`."""
        return self._builtin.safety_prompts(split)

    def _numbers(self, seed: int, *, held_out: bool) -> Iterator[int]:
        """Rows whose function's name is held out, or is not."""
        order = Order(self._kind, 0, seed)
        name = self._kind.template.check.function
        for number in numbers_from():
            drawn = next(rows_of(order, Supply(), [number])).about
            if (derive(seed, "held out name", drawn.values[name]) / (1 << 63) < HELD_OUT) == held_out:
                yield number

    def _written(self, numbers: Sequence[int], seed: int) -> list[Exercise | None]:
        requests = list(rows_of(Order(self._kind, 0, seed), Supply(), numbers))
        answers = self._asker.ask(requests, total=len(requests), label="write exercises")
        return [exercise_of(self._kind, answer, seed) for answer in answers]


def exercise_of(kind: Kind, answer: Answer, seed: int) -> Exercise | None:
    """The exercise that an answer holds, or None where it holds none that could be run."""
    if not answer.ok:
        return None
    row = written(kind, answer.request.about, answer.value, seed)
    try:
        name, cases = what_to_run(kind, row)
    except UnusableError:
        return None
    split = _split(row, kind.template.check.code, name)
    if split is None:
        return None
    parameters, docstring, text, body = split
    phrase = _VERB.sub("", re.split(r"(?<=\.)\s|\n\n", docstring, maxsplit=1)[0]).strip().rstrip(".")
    return Exercise(
        name=name,
        parameters=parameters,
        docstring=docstring,
        phrase=" ".join(phrase.split()),
        body=body,
        text=text,
        family=name.partition("_")[0],
        composition=name,
        cases=cases,
        seeds=row.drawn.record(),
    )


def _split(row: Written, field: str, name: str) -> tuple[tuple[str, ...], str, str, str] | None:
    """Parameters, docstring, the whole function, and the lines below its docstring; None where there are none."""
    code = row.fields[field].strip("\n") + "\n"
    functions = [node for node in ast.parse(code).body if isinstance(node, ast.FunctionDef) and node.name == name]
    function = functions[0]
    if len(ast.parse(code).body) != 1 or function.decorator_list or len(function.body) == 1:
        return (
            None  # an import above the function, or a docstring alone: not an exercise of the form that is trained on
        )
    shown = function.args
    if shown.vararg or shown.kwarg or shown.kwonlyargs or shown.posonlyargs:
        return None
    lines = code.splitlines(keepends=True)
    first = function.body[0].end_lineno
    assert first is not None
    text, body = "".join(lines[function.lineno - 1 :]), "".join(lines[first:])
    docstring = ast.get_docstring(function) or ""
    return tuple(argument.arg for argument in shown.args), docstring, text, body


def _problem(exercise: Exercise, seed: int) -> Problem:
    from hornbook.teacher.builtin.conversations import question

    return Problem(
        id=f"{exercise.family}/{exercise.seeds['row']}",
        family=exercise.family,
        composition=exercise.composition,
        name=exercise.name,
        parameters=exercise.parameters,
        prompt=exercise.text.removesuffix(exercise.body),
        question=question(exercise, stream(seed, "problem", exercise.text)),
        solution=exercise.body,
        cases=exercise.cases,
        seeds=exercise.seeds,
    )
