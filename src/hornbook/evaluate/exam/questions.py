"""Rows become questions: prompts, choices and right answers by the templates of a declaration."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.display import plural
from hornbook.errors import UserError
from hornbook.evaluate.exam.data import Found, Rows, locate, names, read
from hornbook.evaluate.exam.rules import RULES, Question
from hornbook.sandbox.judge import Checks

if TYPE_CHECKING:
    from jinja2 import Environment

    from hornbook.evaluate.exam.declaration import Benchmark

_LETTERS = "ABCDEFGHIJ"


class UnaskableError(Exception):
    """Why a row can't be asked."""


def questions(
    benchmark: Benchmark, rows: Rows, data: Path | None, *, limit: int | None = None, shots: int | None = None
) -> tuple[list[Question], Counter[str]]:
    """The questions of the rows, in order, at most `limit`, and why rows can't be asked, counted.

    A limit takes rows of each group in turn, so that a part of a benchmark of many subjects has them all. shots: how
    many examples, as the declaration says unless told. Raises UserError where there are no examples to take, or fewer.
    """
    from jinja2 import TemplateError

    examples = _examples(benchmark, data, benchmark.shots.count if shots is None else shots)
    there = max(map(len, examples.values()), default=0) - bool(benchmark.shots.texts)  # those begin with a description
    if shots and there < shots:
        raise UserError(f"{benchmark.name} has {plural(there, 'example')} to give: --shots {there} at most")
    unknown = Counter(rows.faults)
    made: list[Question] = []
    for id_, fields in taken(benchmark, rows, limit):
        try:
            made.append(question(benchmark, id_, fields, examples))
        except TemplateError as error:
            unknown[f"can't be made a prompt: {error.message}"] += 1
        except UnaskableError as error:
            unknown[str(error)] += 1
    return made, unknown


def taken(benchmark: Benchmark, rows: Rows, limit: int | None) -> list[tuple[str, dict[str, Any]]]:
    """At most `limit` rows: the first of each group, as evenly as may be, in the file's order."""
    if limit is None or limit >= len(rows.rows):
        return list(rows.rows)
    groups: dict[Any, list[int]] = defaultdict(list)
    for place, (_, fields) in enumerate(rows.rows):
        groups[str(fields.get(benchmark.group, ""))].append(place)
    turn = sorted((position, group, place) for group, some in groups.items() for position, place in enumerate(some))
    return [rows.rows[place] for place in sorted(place for _, _, place in turn[:limit])]


def question(
    benchmark: Benchmark, id_: str, fields: Mapping[str, Any], examples: Mapping[str, list[str]] | None = None
) -> Question:
    """A row as it is asked, behind `examples` by what they share with it. Raises UnaskableError, or Jinja's
    TemplateError.
    """
    rule = RULES[benchmark.score]
    choices = _choices(benchmark, fields)
    prompt = rendered(benchmark.prompt, fields)
    prompts: tuple[str, ...] = (prompt,)
    answers: tuple[str, ...] = ()
    gold: tuple[int, ...] = ()
    targets: tuple[str, ...] = ()
    if rule.ask == "likelihood" and choices:
        gold = _gold(benchmark, fields, choices)
        if benchmark.target:  # the choices stand in front of what is scored
            prompts = choices
            answers = (benchmark.delimiter + rendered(benchmark.target, fields),) * len(choices)
        else:
            answers = tuple(benchmark.delimiter + one for one in choices)
    elif rule.ask == "likelihood":
        answers = (benchmark.delimiter + rendered(benchmark.target, fields),)
    elif benchmark.target:
        value = fields.get(benchmark.target)
        targets = tuple(map(str, value)) if isinstance(value, list) else (rendered(benchmark.target, fields),)
    if benchmark.turns and not isinstance(fields.get(benchmark.turns), list):
        raise UnaskableError(f"lacks the field {benchmark.turns}, a list of turns")
    if rule.ask == "reply" and targets not in (("refusal",), ("compliance",)):
        raise UnaskableError("its target is neither refusal nor compliance")
    checks = None
    if benchmark.tests:
        entry, tests, code = (rendered(one, fields) for one in (benchmark.entry, benchmark.tests, benchmark.code))
        checks = Checks(code, entry, tests)
    return Question(
        id_,
        prompts,
        rendered(benchmark.description, fields),
        tuple((examples or {}).get(str(fields.get(benchmark.shots.same, "")), ())),
        answers,
        choices,
        gold,
        targets,
        tuple(map(str, fields[benchmark.turns])) if benchmark.turns else (),
        str(fields.get(benchmark.group, "")) if benchmark.group else "",
        _facts(benchmark, fields),
        checks,
        lambda text: rendered(benchmark.program, {**fields, "answer": text}),
    )


def _facts(benchmark: Benchmark, fields: Mapping[str, Any]) -> dict[str, Any]:
    lacking = [name for name in benchmark.facts if fields.get(name) is None]
    if lacking:
        raise UnaskableError(f"lacks the field {lacking[0]}")
    return {name: fields[name] for name in benchmark.facts}


def _choices(benchmark: Benchmark, fields: Mapping[str, Any]) -> tuple[str, ...]:
    if isinstance(benchmark.choices, tuple):
        return tuple(rendered(one, fields) for one in benchmark.choices)
    value = fields.get(benchmark.choices)
    if not isinstance(value, list | tuple) or not value:
        raise UnaskableError(f"lacks the field {benchmark.choices}, a list of choices")
    return tuple(map(str, value))


def _gold(benchmark: Benchmark, fields: Mapping[str, Any], choices: Sequence[str]) -> tuple[int, ...]:
    """Numbers of the right choices."""
    value = fields[benchmark.gold] if benchmark.gold in fields else rendered(benchmark.gold, fields)
    found = tuple(number_of(one, choices) for one in (value if isinstance(value, list) else [value]))
    if not found or any(one is None or not 0 <= one < len(choices) for one in found):
        raise UnaskableError("its right answer is none of its choices")
    return tuple(one for one in found if one is not None)


def number_of(value: Any, choices: Sequence[str]) -> int | None:
    """A choice by its number, its text or its letter."""
    if isinstance(value, int):
        return int(value)
    text = str(value).strip()
    if text.isdecimal() and text not in choices:
        return int(text)
    if text in choices:
        return list(choices).index(text)
    return _LETTERS.index(text) if len(text) == 1 and text in _LETTERS else None


def _examples(benchmark: Benchmark, data: Path | None, count: int) -> dict[str, list[str]]:
    """Examples as they stand in front of a question, by what they have in common with it."""
    if not count:
        return {}
    shots = benchmark.shots
    rows = list(shots.rows)
    if shots.texts:
        return _texts(benchmark, data, count)
    if shots.files:
        found: Found | None = locate(shots.files, data)
        if found is None:
            raise UserError(
                f"{benchmark.name}: its examples, {names(shots.files)}, are not among the data; --shots 0 asks without"
            )
        rows = [fields for _, fields in read(found).rows]
    if not rows:
        raise UserError(f"{benchmark.name} has no examples to give; --shots 0 asks without")
    by: dict[str, list[str]] = defaultdict(list)
    for fields in rows:
        key = str(fields.get(shots.same, ""))
        if len(by[key]) < count:
            by[key].append(_example(benchmark, fields))
    return by


def _texts(benchmark: Benchmark, data: Path | None, count: int) -> dict[str, list[str]]:
    """The description of each task and its first examples, from texts whose head is told apart by a line of dashes."""
    found = {}
    for path in sorted((data or Path()).glob(f"{benchmark.shots.texts}/*.txt")):
        head, _, rest = path.read_text("utf-8", errors="replace").partition("\n-----\n")
        parts = [part.strip() for part in (rest or head).split("\n\n") if part.strip()]
        found[path.stem] = [part + benchmark.between for part in parts[: count + 1]]
    if not found:
        raise UserError(
            f"{benchmark.name}: its examples, {benchmark.shots.texts}/*.txt, are not among the data; "
            "--shots 0 asks without"
        )
    return found


def solved(benchmark: Benchmark, fields: Mapping[str, Any]) -> str:
    """A row with its right answer, as a text that holds it would: a program, or the prompt and what follows it.

    Raises UnaskableError for a row without a right answer.
    """
    from jinja2 import TemplateError

    try:
        if benchmark.code:
            return rendered(benchmark.code, fields)
        if RULES[benchmark.score].ask == "reply" or benchmark.judge is not None:
            return rendered(benchmark.prompt, fields)
        return _example(benchmark, fields).removesuffix(benchmark.between)
    except TemplateError as error:
        raise UnaskableError(f"can't be made a text: {error.message}") from error


def _example(benchmark: Benchmark, fields: Mapping[str, Any]) -> str:
    """A row with its right answer."""
    shots = benchmark.shots
    if shots.target:
        answer = rendered(shots.target, fields)
    elif benchmark.choices:
        choices = _choices(benchmark, fields)
        answer = choices[_gold(benchmark, fields, choices)[0]]
    else:
        answer = rendered(benchmark.target, fields)
    return rendered(shots.prompt or benchmark.prompt, fields) + benchmark.delimiter + answer + benchmark.between


@cache
def _environment() -> Environment:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    return ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)


@cache
def _template(text: str) -> Any:
    return _environment().from_string(text)


def rendered(text: str, fields: Mapping[str, Any]) -> str:
    """A template of a page with a row's fields. Raises Jinja's TemplateError, for a field that is not there, or is
    something else than the template takes, too.
    """
    from jinja2 import TemplateRuntimeError

    try:
        return str(_template(text).render(fields)) if "{" in text else text
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise TemplateRuntimeError(str(error)) from error
