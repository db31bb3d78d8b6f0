"""The same word problem with other numbers, its answer computed from the arithmetic that its solution writes down.

GSM8K's solutions hold each step as <<16-3-4=9>>. A number of the question is changed everywhere at once where that is
safe; each number of the solution must then be told: it is one of the question, the result of an earlier step, or a
constant that a word of the question stands for (half, a dozen, a week). Where it could be two of these with different
values, or none, there is no twin. What arithmetic cannot show stays unseen: that a number means what it meant.
"""

from __future__ import annotations

import ast
import operator
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

from hornbook.audit.twins.row import Fields, UntwinnableError
from hornbook.evaluate.exam.declaration import Benchmark

_NUMBER = re.compile(
    r"(?<![\w.,/:])(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?![\w/:]|\.\d|,\d)|(?<![\w.,/:])\.\d+(?![\w/:]|\.\d)"
)
_ANY_NUMBER = re.compile(r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+")
_STEP = re.compile(r"<<([^<>=]+)=([^<>=]+)>>")
_WORD = re.compile(r"[a-z]+|%")
_TRIES = 300
_CONSTANTS = (
    ("half halves twice double doubles doubled pair pairs couple both either second fortnight twins halfway", (2,)),
    ("other another opposite", (2,)),
    ("third thirds thrice triple triples tripled yard yards triangle triangular", (3,)),
    ("quarter quarters", (4, 25)),
    ("fourth fourths quadruple square squares rectangle rectangular season seasons", (4,)),
    ("fifth fifths nickel nickels weekday weekdays", (5,)),
    ("sixth sixths", (6,)),
    ("eighth eighths", (8,)),
    ("tenth tenths dime dimes decade decades", (10,)),
    ("dozen dozens foot feet noon midnight", (12,)),
    ("month months monthly", (12, 30, 31, 4)),
    ("week weeks weekly weekend weekends", (7, 5, 2)),
    ("day days daily everyday", (24, 7)),
    ("hour hours hourly minute minutes seconds", (60, 24)),
    ("year years yearly annual annually", (12, 52, 365, 4)),
    ("% percent percentage cent cents hundred hundreds meter meters", (100,)),
    ("thousand thousands kilometer kilometers kilogram kilograms", (1000,)),
    ("pound pounds ounce ounces", (16,)),
)
_TO_TWENTY = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
)
_COUNTS = {word: value for value, word in enumerate(_TO_TWENTY.split(), start=1)} | {
    "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60,
}  # fmt: skip
_STANDS_FOR: Mapping[str, tuple[int, ...]] = {word: values for words, values in _CONSTANTS for word in words.split()}
_OPERATIONS: Mapping[type[ast.AST], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


@dataclass(frozen=True)
class _Step:
    """A step of the solution: its expression as written, and what it comes to."""

    expression: str
    result: Fraction


def twin(page: Benchmark, fields: Mapping[str, Any], chance: random.Random) -> Fields:
    """The row with `question` and `answer` in other numbers. Raises UntwinnableError where that is not safe."""
    question, answer = str(fields.get("question", "")), str(fields.get("answer", ""))
    worked, mark, final = answer.rpartition("####")
    steps = _steps(worked)
    if not mark or not steps:
        raise UntwinnableError("has no solution with its arithmetic written down")
    if any(step.result < 0 for step in steps):
        raise UntwinnableError("has a step below zero, whose sign looks like a subtraction")
    if _value(final.strip()) != steps[-1].result:
        raise UntwinnableError("has an answer that is not its last step's result")
    given = {_value(one) for one in _NUMBER.findall(question)}
    spelled = {Fraction(_COUNTS[word]) for word in _WORD.findall(f"{question} {worked}".lower()) if word in _COUNTS}
    fixed = _fixed(question) | spelled
    used = {_value(one) for step in steps for one in _ANY_NUMBER.findall(step.expression)}
    free = sorted(value for value in given & used - fixed if value > 1 and value.denominator == 1)
    if not free:
        raise UntwinnableError("has no number that can be changed alone")
    percents = {_value(one) for one in re.findall(r"(\d+) ?(?:%|percent)", question)}
    for _ in range(_TRIES):
        changed = _drawn(free, given | fixed, percents, chance)
        if changed is None:
            continue
        told = _Told(changed, (given - set(free)) | fixed)
        made = _worked(worked, steps, told)
        if made is not None and told.results[-1][1] != steps[-1].result:
            asked = _asked(question, changed)
            result = _written(told.results[-1][1], "," in final)
            return {**fields, "question": asked, "answer": f"{made}#### {result}"}
    raise UntwinnableError("has numbers that depend on each other in a way its arithmetic does not tell")


def _asked(question: str, changed: Mapping[Fraction, Fraction]) -> str:
    return _NUMBER.sub(lambda match: _like(match[0], changed.get(_value(match[0]))), question)


def _steps(worked: str) -> list[_Step]:
    found = []
    for expression, result in _STEP.findall(worked):
        value = _computed(expression, _value)
        if value is None or value != _value(result):
            raise UntwinnableError("has arithmetic that does not come out as written")
        found.append(_Step(expression, value))
    return found


def _fixed(question: str) -> set[Fraction]:
    """Numbers that words of the question stand for, and those in fractions, times and names, which stay."""
    found = {Fraction(0), Fraction(1)}
    for word in _WORD.findall(question.lower()):
        found.update(map(Fraction, _STANDS_FOR.get(word, ())))
    if Fraction(100) in found:
        found.add(Fraction(1, 100))
    safe = {match.span() for match in _NUMBER.finditer(question)}
    return found | {_value(match[0]) for match in _ANY_NUMBER.finditer(question) if match.span() not in safe}


def _drawn(
    free: list[Fraction], known: set[Fraction], percents: set[Fraction], chance: random.Random
) -> dict[Fraction, Fraction] | None:
    """Another value for each free one, from half to twice of it, all in the order that they were in; else None."""
    changed = {}
    for value in free:
        most = min(2 * value, Fraction(99)) if value in percents and value <= 100 else 2 * value
        round_ = next(size for size in (1000, 100, 10, 5, 1) if value % size == 0 and value > size)
        drawn = Fraction(chance.randint(-(-value // (2 * round_)), int(most // round_)) * round_)
        if drawn == value or drawn < 2:
            return None
        changed[value] = drawn
    after = [changed.get(value, value) for value in sorted(known)]
    return changed if all(one < other for one, other in pairwise(after)) else None


class _Told:
    """What a number of the solution becomes, as far as the steps have come."""

    def __init__(self, changed: Mapping[Fraction, Fraction], constant: set[Fraction]) -> None:
        self._changed, self._constant = changed, constant
        self.results: list[tuple[Fraction, Fraction]] = []  # of each step, before and after

    def __call__(self, text: str) -> Fraction | None:
        """The one value that the number can have; None where there are several, or it comes from nowhere."""
        value = _value(text)
        can = {after for before, after in self.results if before == value}
        can |= {self._changed[value]} if value in self._changed else set()
        can |= {value} if value in self._constant else set()
        return can.pop() if len(can) == 1 else None


def _worked(worked: str, steps: list[_Step], told: _Told) -> str | None:
    """The solution in other numbers; None where one of them is not known or a result is of another kind."""
    made, at = [], 0
    waiting = iter(steps)
    for match in _STEP.finditer(worked):
        step = next(waiting)
        result = _computed(match[1], told)
        if result is None or not _same_kind(step.result, result):
            return None
        before = _prose(worked[at : match.start()], told)
        expression = _prose(match[1], told)
        if before is None or expression is None:
            return None
        told.results.append((step.result, result))
        made += [before, f"<<{expression}={_written(result, ',' in match[2])}>>"]
        at = match.end()
    rest = _prose(worked[at:], told)
    return None if rest is None else "".join([*made, rest])


def _same_kind(before: Fraction, after: Fraction) -> bool:
    """Whole where it was whole, with two decimals at most elsewhere, and on the same side of zero."""
    if before.denominator == 1 and after.denominator != 1:
        return False
    return (after * 100).denominator == 1 and (before > 0) == (after > 0) and (before < 0) == (after < 0)


def _prose(text: str, told: _Told) -> str | None:
    """A part of the solution with its numbers changed; None where one is not known."""
    values = [told(match[0]) for match in _ANY_NUMBER.finditer(text)]
    if None in values:
        return None
    waiting = iter(values)
    return _ANY_NUMBER.sub(lambda match: _like(match[0], next(waiting)), text)


def _computed(expression: str, value_of: Callable[[str], Fraction | None]) -> Fraction | None:
    """What an expression comes to when its numbers are what `value_of` says; None where it can't be computed."""
    try:
        tree = ast.parse(expression.replace(",", "").strip(), mode="eval").body
    except (SyntaxError, ValueError):
        return None

    def of(node: ast.expr) -> Fraction | None:
        match node:
            case ast.BinOp(left, operation, right) if type(operation) in _OPERATIONS:
                a, b = of(left), of(right)
                if a is None or b is None or (b == 0 and isinstance(operation, ast.Div)):
                    return None
                return _OPERATIONS[type(operation)](a, b)
            case ast.UnaryOp(ast.USub(), inner):
                found = of(inner)
                return None if found is None else -found
            case ast.Constant(value) if type(value) in (int, float):
                return value_of(ast.unparse(node))
        return None

    return of(tree)


def _value(text: str) -> Fraction:
    try:
        return Fraction(text.replace(",", "").replace("$", "").strip().rstrip("."))
    except (ValueError, ZeroDivisionError) as error:
        raise UntwinnableError("has arithmetic that does not come out as written") from error


def _like(before: str, after: Fraction | None) -> str:
    """A number as the one was written in whose place it stands; that one where it has not changed."""
    return before if after is None or after == _value(before) else _written(after, "," in before)


def _written(value: Fraction, commas: bool) -> str:
    if value.denominator == 1:
        return f"{int(value):,}" if commas else str(int(value))
    return f"{float(value):.2f}".rstrip("0")
