"""Parts that deal with numbers: tests, changes, operations on two, ways to reduce many to one."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from functools import reduce
from typing import Any

from hornbook.teacher.builtin.exercises.parts import (
    ALL,
    ATOM,
    POWER,
    PRODUCT,
    SAME,
    SUM,
    Bound,
    BoundChange,
    Change,
    ChangeWords,
    GroupWords,
    Part,
    Test,
)

SMALL = (2, 3, 4, 5, 6, 7, 8, 9)
LIMITS = (*SMALL, *SMALL, 10, 12, 15, 20, 50, 100)
FACTORS = (4, 5, 6, 7, 8, 9, 10)
DIVISORS = (3, 4, 5, 6, 7, 8, 9, 10)
SPANS = ((1, 5), (2, 6), (2, 8), (3, 7), (3, 9), (4, 8), (5, 9), (5, 20), (0, 10))


def _adjective(word: str) -> GroupWords:
    return GroupWords(f"{word} {{noun}}", f"are {word}", f"is {word}")


def _after(words: str) -> GroupWords:
    return GroupWords(f"{{noun}} {words}", f"are {words}", f"is {words}")


NUMBER_TESTS = (
    Test("even", "even", "{v} % 2 == 0", lambda v, k: v % 2 == 0, (_adjective("even"),)),
    Test("odd", "odd", "{v} % 2 == 1", lambda v, k: v % 2 == 1, (_adjective("odd"),)),
    Test("positive", "positive", "{v} > 0", lambda v, k: v > 0, (_adjective("positive"),)),
    Test("negative", "negative", "{v} < 0", lambda v, k: v < 0, (_adjective("negative"),)),
    Test("nonzero", "nonzero", "{v} != 0", lambda v, k: v != 0, (_adjective("nonzero"), _after("other than zero"))),
    Test("greater", "big", "{v} > {k}", lambda v, k: v > k, (_after("greater than {k}"), _after("above {k}")), LIMITS),
    Test("less", "small", "{v} < {k}", lambda v, k: v < k, (_after("less than {k}"), _after("below {k}")), LIMITS),
    Test("at_least", "min", "{v} >= {k}", lambda v, k: v >= k, (_after("at least {k}"), _after("{k} or more")), LIMITS),
    Test("at_most", "max", "{v} <= {k}", lambda v, k: v <= k, (_after("at most {k}"), _after("{k} or less")), LIMITS),
    Test(
        "divisible",
        "multiple",
        "{v} % {k} == 0",
        lambda v, k: math.gcd(v, k) == k,
        (_after("divisible by {k}"), _after("evenly divisible by {k}")),
        DIVISORS,
    ),
    Test(
        "indivisible", "uneven", "{v} % {k} != 0", lambda v, k: v % k > 0, (_after("not divisible by {k}"),), DIVISORS
    ),
    Test(
        "other",
        "other",
        "{v} != {k}",
        lambda v, k: v != k,
        (_after("not equal to {k}"), _after("different from {k}")),
        LIMITS,
    ),
    Test(
        "between",
        "between",
        "{k[0]} <= {v} <= {k[1]}",
        lambda v, k: v in range(k[0], k[1] + 1),
        (_after("between {k[0]} and {k[1]}"), _after("from {k[0]} to {k[1]}")),
        SPANS,
    ),
)
ANY_NUMBER_TESTS = (ALL, *NUMBER_TESTS)


def _of(noun: str, then: str) -> tuple[ChangeWords, ...]:
    """Two wordings: "the square(s) of x" and "x squared" / "x, each squared"."""
    return (ChangeWords(f"the {noun} of {{x}}", f"the {noun}s of {{x}}", then), _each(then))


def _each(then: str) -> ChangeWords:
    return ChangeWords(f"{{x}} {then}", f"{{x}}, each {then}", then)


NUMBER_CHANGES = (
    Change("square", "square", "{v} * {v}", lambda v, k: v**2, _of("square", "squared"), (), PRODUCT),
    Change("cube", "cube", "{v} ** 3", lambda v, k: v * v * v, _of("cube", "cubed"), (), POWER),
    Change("double", "double", "2 * {v}", lambda v, k: v + v, _of("double", "doubled"), (), PRODUCT),
    Change("triple", "triple", "3 * {v}", lambda v, k: v + v + v, _of("triple", "tripled"), (), PRODUCT),
    Change(
        "half",
        "half",
        "{v} // 2",
        lambda v, k: divmod(v, 2)[0],
        (ChangeWords("the floored half of {x}", "the floored halves of {x}", "halved and floored"),),
        (),
        PRODUCT,
    ),
    Change("negate", "opposite", "-{v}", lambda v, k: 0 - v, _of("opposite", "negated"), (), PRODUCT),
    Change(
        "absolute", "absolute", "abs({v})", lambda v, k: max(v, -v), _of("absolute value", "without its sign"), (), ATOM
    ),
    Change(
        "plus",
        "plus",
        "{v} + {k}",
        lambda v, k: v + k,
        (_each("plus {k}"), _each("increased by {k}")),
        (1, *SMALL, 10),
        SUM,
    ),
    Change(
        "minus",
        "minus",
        "{v} - {k}",
        lambda v, k: v - k,
        (_each("minus {k}"), _each("decreased by {k}")),
        (1, *SMALL, 10),
        SUM,
    ),
    Change(
        "times",
        "times",
        "{v} * {k}",
        lambda v, k: v * k,
        (_each("times {k}"), _each("multiplied by {k}")),
        FACTORS,
        PRODUCT,
    ),
    Change(
        "quotient",
        "quotient",
        "{v} // {k}",
        lambda v, k: divmod(v, k)[0],
        (_each("floor-divided by {k}"),),
        DIVISORS,
        PRODUCT,
    ),
    Change(
        "modulo",
        "modulo",
        "{v} % {k}",
        lambda v, k: divmod(v, k)[1],
        (
            _each("modulo {k}"),
            ChangeWords("the remainder modulo {k} of {x}", "the remainders modulo {k} of {x}", "modulo {k}"),
        ),
        DIVISORS,
        PRODUCT,
    ),
)
ANY_NUMBER_CHANGES = (SAME, *NUMBER_CHANGES)


class Operation(Part):
    """One number made of two."""

    def bind(self, k: Any, wording: int) -> BoundOperation:
        """See `Part.bind`."""
        return BoundOperation(self, k, wording)


@dataclass(frozen=True)
class BoundOperation(Bound):
    """An operation with its wording."""

    def of(self, x: str, y: str) -> str:
        """In words: "the sum of x and y"."""
        return self.words(x=x, y=y)

    def infix(self, x: str, y: str) -> str:
        """In words between the operands, for operations that have such words: "x plus y"."""
        return f"{x} {_INFIX[self.key]} {y}"

    def joined(self, left: tuple[str, int], right: tuple[str, int]) -> str:
        """The code for two operands, each given as its code and how tightly that binds."""
        codes = [
            f"({code})" if level < need else code
            for (code, level), need in zip((left, right), _NEEDS.get(self.key, (0, 0)), strict=True)
        ]
        return self.part.code.format(x=codes[0], y=codes[1])

    def expression(self, left: Bound, right: Bound, x: str, y: str) -> str:
        """The code for changes of the values named `x` and `y`."""
        return self.joined((left.code(x), left.part.level), (right.code(y), right.part.level))


_INFIX = {"add": "plus", "subtract": "minus", "multiply": "times"}
_NEEDS = {"add": (SUM, SUM), "subtract": (SUM, PRODUCT), "multiply": (PRODUCT, ATOM), "distance": (SUM, PRODUCT)}

OPERATIONS = (
    Operation("add", "sum", "{x} + {y}", lambda x, y, k: x + y, ("the sum of {x} and {y}",), (), SUM),
    Operation(
        "subtract", "difference", "{x} - {y}", lambda x, y, k: x - y, ("the difference of {x} and {y}",), (), SUM
    ),
    Operation("multiply", "product", "{x} * {y}", lambda x, y, k: x * y, ("the product of {x} and {y}",), (), PRODUCT),
    Operation(
        "larger",
        "larger",
        "max({x}, {y})",
        lambda x, y, k: x if x > y else y,
        ("the larger of {x} and {y}", "the maximum of {x} and {y}"),
    ),
    Operation(
        "smaller",
        "smaller",
        "min({x}, {y})",
        lambda x, y, k: y if x > y else x,
        ("the smaller of {x} and {y}", "the minimum of {x} and {y}"),
    ),
    Operation(
        "distance",
        "distance",
        "abs({x} - {y})",
        lambda x, y, k: max(x - y, y - x),
        ("the distance between {x} and {y}",),
    ),
)

# Reductions take an iterable's code as {x}; a generator for the first three needs no brackets of its own.
REDUCTIONS = (
    Part("sum", "sum", "sum({x})", lambda xs, k: reduce(operator.add, xs, 0), ("the sum of {x}", "the total of {x}")),
    Part(
        "largest",
        "largest",
        "max({x}, default=0)",
        lambda xs, k: sorted(xs)[-1] if xs else 0,
        ("the largest of {x}, or 0 if there are none", "the maximum of {x}, or 0 if there are none"),
    ),
    Part(
        "smallest",
        "smallest",
        "min({x}, default=0)",
        lambda xs, k: sorted(xs)[0] if xs else 0,
        ("the smallest of {x}, or 0 if there are none", "the minimum of {x}, or 0 if there are none"),
    ),
)


def reduction_code(reduction: Bound, change: BoundChange, test_code: str, v: str, source: str) -> str:
    """`sum(v * v for v in values if v > 3)`, or just `sum(values)` where nothing is changed or left out."""
    if change.same and not test_code:
        return reduction.part.code.format(x=source)
    items = f"{change.code(v)} for {v} in {source}{test_code}"
    return reduction.part.code.format(x=items if reduction.key == "sum" else f"({items})")
