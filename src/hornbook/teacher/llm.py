"""An LLM behind endpoints as a teacher: it grades by a rubric file and writes by template files.

What is about functions in conversations and pairs is composed around the exercises, as the built-in teacher does.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from itertools import count as numbers_from
from itertools import islice
from typing import TYPE_CHECKING, Generic, TypeVar

from hornbook.errors import UserError
from hornbook.seeds import derive, stream
from hornbook.teacher.checks import exercise_complaints, problem_complaints, text_complaint, what_to_run
from hornbook.teacher.client.messages import Answer
from hornbook.teacher.interface import Exercise, Grade, Part, Problem, Problems, SafetyPrompt, Split, Writer
from hornbook.teacher.kinds.draws import Supply, draw
from hornbook.teacher.kinds.rows import Asker, Written
from hornbook.teacher.kinds.source import LlmRows, Order, read, rows_of
from hornbook.teacher.kinds.template import Kind
from hornbook.teacher.producer import Failed, Source, UnusableError, attempt
from hornbook.teacher.rubrics import Rubric
from hornbook.teacher.settings import CONVERSATIONS, PREFERENCES, divide

if TYPE_CHECKING:
    from hornbook.sandbox.sandbox import Sandbox

HOPELESS = 25  # documents of which not one gets a grade, from the first, after which no more are asked about
HELD_OUT = 1 / 7  # share of the functions' names that only problems have
NAMES_TRIED = 2_000  # rows whose names are looked at before there are none of the wanted ones
_VERB = re.compile(r"\A(?:Returns?|Give|Gives|Compute|Computes)\s+", re.IGNORECASE)

R = TypeVar("R")


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
        grades: list[Grade | None] = []
        with closing(self._asker.ask(requests, total=len(requests), label="grade")) as answers:
            for answer in answers:
                grades.append(_grade(answer))
                if len(grades) == HOPELESS and not any(grades):
                    raise UserError(
                        f"{self.name}: of the first {HOPELESS} documents not one got a grade (the last: "
                        f"{answer.failure}, {answer.detail}); take another model, or a rubric that asks for less"
                    )
        return grades


def _grade(answer: Answer) -> Grade | None:
    return Grade(int(answer.value["score"]), answer.value["reason"].strip()) if answer.ok else None


class LlmWriter:
    """A `Writer` whose LLM writes what it has templates for; the rest is the built-in teacher's.

    A function's name decides whether an exercise or a problem may be about it; the seed decides how.
    """

    def __init__(
        self,
        asker: Asker,
        exercises: Kind | None = None,
        chats: Mapping[str, tuple[Kind, float]] | None = None,
        builtin: Writer | None = None,
    ) -> None:
        """`exercises` is a template whose rows are functions that are run (`check.run = "function"`).

        `chats`: by the names in `settings.CONVERSATIONS` and `settings.PREFERENCES` a template and the LLM's part.
        `builtin`: who writes the rest, the built-in teacher unless given.
        Raises UserError for a template of another form.
        """
        from hornbook.teacher.builtin.teacher import BuiltinTeacher

        if exercises is not None and exercises.template.check.run != "function":
            raise UserError(f"the template {exercises.name} writes no functions that are run")
        self._chats = dict(chats or {})
        for name, (kind, _) in self._chats.items():
            form = "conversation" if name in CONVERSATIONS else "preference"
            if kind.template.text.form != form:
                raise UserError(f"the template {kind.name} writes no {form}s")
        self._asker, self._kind = asker, exercises
        self._builtin: Writer = builtin or BuiltinTeacher()

    @property
    def name(self) -> str:
        """The model, and the built-in teacher where that writes the exercises."""
        return self._asker.name if self._kind else f"{self._builtin.name} and {self._asker.name}"

    def exercises(self, *, seed: int) -> Source[Exercise]:
        """See `Writer.exercises`. There is no end of them, but names come up again."""
        if self._kind is None:
            return self._builtin.exercises(seed=seed)
        return _LlmFunctions(self._asker, self._kind, seed, lambda row: row, exercise_complaints, held_out=False)

    def problems(self, count: int, *, seed: int) -> Problems:
        """See `Writer.problems`: of held-out names."""
        if self._kind is None:
            return self._builtin.problems(count, seed=seed)
        problem = partial(_problem, seed=seed)
        return Problems(_LlmFunctions(self._asker, self._kind, seed, problem, problem_complaints, held_out=True))

    def task(self, exercise: Exercise, *, seed: int) -> str:
        """See `Writer.task`."""
        return self._builtin.task(exercise, seed=seed)

    def conversations(
        self, exercises: Sequence[Exercise], shares: Mapping[str, float], count: int, *, seed: int
    ) -> list[Part]:
        """See `Writer.conversations`. What is about functions is composed of exercises, whoever wrote them."""
        compose = partial(self._builtin.conversations, exercises, seed=seed)
        return self._parts(compose, shares, count, CONVERSATIONS, seed)

    def preferences(
        self, exercises: Sequence[Exercise], shares: Mapping[str, float], count: int, *, seed: int
    ) -> list[Part]:
        """See `Writer.preferences`."""
        compose = partial(self._builtin.preferences, exercises, seed=seed)
        return self._parts(compose, shares, count, PREFERENCES, seed)

    def safety_prompts(self, split: Split) -> list[SafetyPrompt]:
        """See `Writer.safety_prompts`: the built-in ones, so that every run is measured with the same."""
        return self._builtin.safety_prompts(split)

    def _parts(
        self,
        compose: Callable[[Mapping[str, float], int], list[Part]],
        shares: Mapping[str, float],
        count: int,
        kinds: Mapping[str, tuple[str, ...]],
        seed: int,
    ) -> list[Part]:
        parts = {name: self._chats[name][1] if name in self._chats else 0.0 for name in kinds}
        division = divide(count, shares, kinds, parts)
        asked = [
            Part(LlmRows(Order(self._chats[name][0], number, seed), self._asker), number)
            for name, number in division.asked.items()
        ]
        composed = compose(division.shares, division.composed) if division.composed or not asked else []
        return [*composed, *asked]


class _LlmFunctions(Generic[R]):
    """A `Source` of functions that an LLM writes, for exercises or problems: of held-out names, or of the others."""

    hint = LlmRows.hint

    def __init__(
        self,
        asker: Asker,
        kind: Kind,
        seed: int,
        make: Callable[[Exercise], R],
        complaints: Callable[[Sequence[R], Sandbox | None], Iterable[str]],
        *,
        held_out: bool,
    ) -> None:
        self._asker, self._order = asker, Order(kind, 0, seed)
        self._make, self.complaints = make, complaints
        self._numbers = _numbers(self._order, held_out)

    def more(self, count: int) -> Generator[R | Failed, None, None]:
        """See `Source.more`."""
        requests = rows_of(self._order, Supply(), islice(self._numbers, count))
        with closing(self._asker.ask(requests, total=count, label="write exercises")) as answers:
            for answer in answers:
                row = read(self._order, answer)
                yield row if isinstance(row, Failed) else attempt(partial(self._read, row), row.drawn.number)

    def _read(self, row: Written) -> R:
        return self._make(exercise_of(self._order.kind, row))


def _numbers(order: Order, held_out: bool) -> Iterator[int]:
    """The rows whose function's name is held out, or is not. Raises UserError where all or none of them are."""
    name = order.kind.template.check.function
    seen: set[bool] = set()
    for number in numbers_from():
        drawn = draw(order.kind, number, order.seed, Supply())
        found = derive(order.seed, "held out name", drawn.values[name]) / (1 << 63) < HELD_OUT
        seen.add(found)
        if found == held_out:
            yield number
        elif number > NAMES_TRIED and held_out not in seen:
            raise UserError(f"the template {order.kind.name} draws too few names to keep one in seven for problems")


def exercise_of(kind: Kind, row: Written) -> Exercise:
    """The exercise that a row is. Raises UnusableError for a row that could not be run, or has another form."""
    wrong = text_complaint(kind, row)
    if wrong:
        raise UnusableError(wrong)
    name, cases = what_to_run(kind, row)
    parameters, docstring, text, body = _split(row, kind.template.check.code, name)
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


def _split(row: Written, field: str, name: str) -> tuple[tuple[str, ...], str, str, str]:
    """Parameters, docstring, the whole function, and the lines below its docstring.

    Raises UnusableError for what is not of the form that is trained on.
    """
    code = row.fields[field].strip("\n") + "\n"
    functions = [node for node in ast.parse(code).body if isinstance(node, ast.FunctionDef) and node.name == name]
    function = functions[0]
    if len(ast.parse(code).body) != 1 or function.decorator_list or len(function.body) == 1:
        raise UnusableError("not as asked: an import above the function, a decorator, or a docstring alone")
    shown = function.args
    if shown.vararg or shown.kwarg or shown.kwonlyargs or shown.posonlyargs:
        raise UnusableError("not as asked: parameters with stars or slashes")
    lines = code.splitlines(keepends=True)
    first = function.body[0].end_lineno
    assert first is not None
    text, body = "".join(lines[function.lineno - 1 :]), "".join(lines[first:])
    docstring = ast.get_docstring(function) or ""
    return tuple(argument.arg for argument in shown.args), docstring, text, body


def _problem(exercise: Exercise, *, seed: int) -> Problem:
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
