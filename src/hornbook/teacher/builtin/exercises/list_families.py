"""Families of functions of lists of numbers, written with comprehensions and built-in functions."""

from __future__ import annotations

import itertools
from typing import Any

from hornbook.teacher.builtin.exercises.family import Family, Sketch, Style, something
from hornbook.teacher.builtin.exercises.names import NOUNS
from hornbook.teacher.builtin.exercises.number_families import COLLECTS
from hornbook.teacher.builtin.exercises.number_parts import (
    ANY_NUMBER_CHANGES,
    ANY_NUMBER_TESTS,
    NUMBER_CHANGES,
    NUMBER_TESTS,
    OPERATIONS,
    REDUCTIONS,
    BoundOperation,
    reduction_code,
)
from hornbook.teacher.builtin.exercises.parts import JOINS, SAME, Bound, BoundChange, BoundJoin, BoundTest, Part, each


def noun_of(style: Style) -> str:
    """What the things in a list of numbers are called."""
    nouns = NOUNS["numbers"]
    return nouns[style.noun % len(nouns)]


def _reduce(style: Style, reduction: Bound, change: BoundChange, test: BoundTest) -> Sketch:
    (xs,) = style.names
    return Sketch(
        phrase=reduction.words(x=change.many(test.those(noun_of(style), xs, style.form))),
        body=(f"return {reduction_code(reduction, change, test.condition('v'), 'v', xs)}",),
        meaning=lambda values: reduction.apply([change.apply(v) for v in values if test.apply(v)]),
    )


def _build(style: Style, change: BoundChange, test: BoundTest) -> Sketch:
    (xs,) = style.names
    group = change.many(test.those(noun_of(style), xs, style.form))
    return Sketch(
        phrase=style.pick(f"the list of {group}", f"a list of {group}"),
        body=(f"return [{change.code('v')} for v in {xs}{test.condition('v')}]",),
        meaning=lambda values: [change.apply(v) for v in values if test.apply(v)],
    )


def _count(style: Style, first: BoundTest, join: BoundJoin, second: BoundTest) -> Sketch:
    (xs,) = style.names
    count = style.pick("the number of", "the count of")
    return Sketch(
        phrase=f"{count} {noun_of(style)} in {xs} that {join.are(first, second)}",
        body=(f"return sum(1 for v in {xs} if {join.condition(first, second, 'v')})",),
        meaning=lambda values: len([v for v in values if join.passes(first, second, v)]),
    )


def _quantify(style: Style, quantifier: Bound, members: BoundTest, test: BoundTest) -> Sketch:
    (xs,) = style.names
    noun = noun_of(style)
    inside = f"{test.code('v')} for v in {xs}{members.condition('v')}"
    return Sketch(
        phrase=quantifier.words(group=members.group(noun), xs=xs, are=test.are),
        body=(f"return {quantifier.part.code.format(x=inside)}",),
        meaning=lambda values: quantifier.apply([test.apply(v) for v in values if members.apply(v)]),
    )


def _extreme(style: Style, extreme: Bound, key: BoundChange, test: BoundTest) -> Sketch:
    (xs,) = style.names
    group = test.group(noun_of(style))
    key_code = key.code("v")
    return Sketch(
        phrase=extreme.words(group=group, xs=xs, key=key.one("it")),
        body=(
            f"group = [v for v in {xs}{test.condition('v')}]",
            f"return {extreme.part.code.format(key=f'lambda v: {key_code}')}",
        ),
        meaning=lambda values: extreme.apply([v for v in values if test.apply(v)], key.apply),
    )


def _arrange(style: Style, arrangement: Bound, change: BoundChange, test: BoundTest) -> Sketch:
    (xs,) = style.names
    group = change.many(test.those(noun_of(style), xs, style.form))
    return Sketch(
        phrase=arrangement.words(x=group),
        body=(
            f"result = [{change.code('v')} for v in {xs}{test.condition('v')}]",
            f"return {arrangement.part.code.format(v='result', k=arrangement.k)}",
        ),
        meaning=lambda values: arrangement.apply([change.apply(v) for v in values if test.apply(v)]),
    )


def _zip(style: Style, collect: Bound, operation: BoundOperation, test: BoundTest) -> Sketch:
    xs, ys = style.names
    inside = f"{operation.part.code.format(x='x', y='y')} for x, y in zip({xs}, {ys}){test.condition('x')}"
    condition = "" if test.always else f" where x {test.be}"
    pairs = style.pick(
        "{op} for each pair x, y of {xs} and {ys}{condition}",
        "{op} over x in {xs} and y in {ys}, pairwise,{condition}",
        "{op} as x and y run through {xs} and {ys}{condition}",
    )
    phrase = pairs.format(op=operation.of("x", "y"), xs=xs, ys=ys, condition=condition)
    return Sketch(
        phrase=collect.words(x=phrase.removesuffix(",")),
        body=(f"return {collect.part.code.format(x=inside)}",),
        meaning=lambda left, right: collect.apply(
            [operation.apply(left[i], right[i]) for i in range(min(len(left), len(right))) if test.apply(left[i])]
        ),
    )


def _positions(style: Style, collect: Bound, change: BoundChange, test: BoundTest) -> Sketch:
    (xs,) = style.names
    inside = f"{change.code('v')} for i, v in enumerate({xs}) if {test.code('i')}"
    return Sketch(
        phrase=collect.words(x=change.many(f"the {noun_of(style)} in {xs} at positions that {test.are}")),
        body=(f"return {collect.part.code.format(x=inside)}",),
        meaning=lambda values: collect.apply([change.apply(values[i]) for i in range(len(values)) if test.apply(i)]),
    )


def _flatten(style: Style, collect: Bound, change: BoundChange, test: BoundTest) -> Sketch:
    (rows,) = style.names
    source = style.pick(f"all lists of {rows}", f"the rows of {rows}")
    code = f"{change.code('v')} for row in {rows} for v in row{test.condition('v')}"
    return Sketch(
        phrase=collect.words(x=change.many(test.those(noun_of(style), source, style.form))),
        body=(f"return {collect.part.code.format(x=code)}",),
        meaning=lambda lists: collect.apply([change.apply(v) for v in itertools.chain(*lists) if test.apply(v)]),
    )


def _sets(style: Style, operation: Bound, change: BoundChange, test: BoundTest) -> Sketch:
    xs, ys = style.names
    group = test.group(noun_of(style))
    return Sketch(
        phrase=f"the sorted list of {change.many(operation.words(group=group, xs=xs, ys=ys))}",
        body=(
            f"result = {operation.part.code.format(x=xs, y=ys)}",
            f"return sorted({change.code('v')} for v in result{test.condition('v')})",
        ),
        meaning=lambda left, right: sorted(
            [
                change.apply(v)
                for v in dict.fromkeys(left + right)
                if operation.apply(v in left, v in right) and test.apply(v)
            ]
        ),
    )


def _pair(style: Style, first: Bound, one: BoundTest, second: Bound, two: BoundTest) -> Sketch:
    (xs,) = style.names
    noun = noun_of(style)
    left = first.words(x=f"the {one.group(noun)}")
    right = second.words(x=f"the {two.group(noun)}")
    return Sketch(
        phrase=f"a tuple of {left} and {right} in {xs}",
        body=(
            f"first = {first.code(each(SAME.bind(None, 0), 'v', xs, one))}",
            f"second = {second.code(each(SAME.bind(None, 0), 'v', xs, two))}",
            "return first, second",
        ),
        meaning=lambda values: (
            first.apply([v for v in values if one.apply(v)]),
            second.apply([v for v in values if two.apply(v)]),
        ),
    )


def _first_best(values: list[Any], key: Any, sign: int) -> Any:
    """The first value whose key is the largest (sign 1) or the smallest (sign -1); 0 of nothing."""
    best = 0
    for index, value in enumerate(values):
        if index == 0 or sign * key(value) > sign * key(best):
            best = value
    return best


_COLLECTS = tuple(part for part in COLLECTS if part.code)
_KEYS = tuple(
    change for change in NUMBER_CHANGES if change.key in ("square", "negate", "absolute", "quotient", "modulo", "half")
)
QUANTIFIERS = (
    Part("all", "all", "all({x})", lambda flags, k: False not in flags, ("all {group} in {xs} {are}",)),
    Part("any", "any", "any({x})", lambda flags, k: True in flags, ("any of the {group} in {xs} {are}",)),
    Part("none", "none", "not any({x})", lambda flags, k: True not in flags, ("none of the {group} in {xs} {are}",)),
)
EXTREMES = (
    Part(
        "largest",
        "largest",
        "max(group, key={key}, default=0)",
        lambda xs, key, k: _first_best(xs, key, 1),
        ("the first of the {group} in {xs} with the largest value of {key}, or 0",),
    ),
    Part(
        "smallest",
        "smallest",
        "min(group, key={key}, default=0)",
        lambda xs, key, k: _first_best(xs, key, -1),
        ("the first of the {group} in {xs} with the smallest value of {key}, or 0",),
    ),
)


def _bubble(values: list[Any]) -> list[Any]:
    """Ascending order, by insertion."""
    ordered: list[Any] = []
    for value in values:
        place = len([other for other in ordered if other <= value])
        ordered.insert(place, value)
    return ordered


ARRANGEMENTS = (
    Part("ascending", "sorted", "sorted({v})", lambda xs, k: _bubble(xs), ("{x}, in ascending order", "{x}, sorted")),
    Part(
        "descending",
        "falling",
        "sorted({v}, reverse=True)",
        lambda xs, k: list(reversed(_bubble(xs))),
        ("{x}, in descending order",),
    ),
    Part(
        "reversed",
        "reversed",
        "{v}[::-1]",
        lambda xs, k: list(reversed(xs)),
        ("{x}, in reverse order", "{x}, last one first"),
    ),
    Part(
        "head",
        "first",
        "{v}[:{k}]",
        lambda xs, k: [x for i, x in enumerate(xs) if i < k],
        ("the first {k} of {x}",),
        (2, 3, 4, 5),
    ),
    Part(
        "tail",
        "last",
        "{v}[-{k}:]",
        lambda xs, k: [x for i, x in enumerate(xs) if i >= len(xs) - k],
        ("the last {k} of {x}",),
        (2, 3, 4),
    ),
    Part(
        "rest",
        "rest",
        "{v}[{k}:]",
        lambda xs, k: [x for i, x in enumerate(xs) if i >= k],
        ("{x}, skipping the first {k}",),
        (1, 2, 3),
    ),
    Part(
        "every",
        "every",
        "{v}[::{k}]",
        lambda xs, k: [x for i, x in enumerate(xs) if i % k == 0],
        ("every {k}th of {x}", "one in {k} of {x}"),
        (2, 3, 4),
    ),
    Part(
        "distinct",
        "unique",
        "sorted(set({v}))",
        lambda xs, k: _bubble(list(dict.fromkeys(xs))),
        ("{x}, sorted without duplicates",),
    ),
)
SET_OPERATIONS = (
    Part(
        "intersection",
        "common",
        "set({x}).intersection({y})",
        lambda a, b, k: a and b,
        ("the {group} in both {xs} and {ys}",),
    ),
    Part("union", "union", "set({x}).union({y})", lambda a, b, k: a or b, ("the {group} in either {xs} or {ys}",)),
    Part(
        "difference",
        "only",
        "set({x}).difference({y})",
        lambda a, b, k: a and not b,
        ("the {group} in {xs} but not in {ys}",),
    ),
    Part(
        "symmetric",
        "single",
        "set({x}).symmetric_difference({y})",
        lambda a, b, k: a is not b,
        ("the {group} in only one of {xs} and {ys}",),
    ),
)
_PAIR_REDUCTIONS = (
    Part("sum", "sum", "sum({v})", lambda xs, k: sum(xs), ("the sum of {x}", "the total of {x}")),
    Part("list", "list", "[{v}]", lambda xs, k: list(xs), ("the list of {x}",)),
)

FAMILIES = (
    Family("reduce", (REDUCTIONS, ANY_NUMBER_CHANGES, ANY_NUMBER_TESTS), ("numbers",), _reduce, ("reduce", "get")),
    Family(
        "build",
        (ANY_NUMBER_CHANGES, ANY_NUMBER_TESTS),
        ("numbers",),
        _build,
        ("keep", "build", "list"),
        allowed=something(0, 1),
    ),
    Family(
        "count",
        (NUMBER_TESTS, JOINS, NUMBER_TESTS),
        ("numbers",),
        _count,
        ("count",),
        allowed=lambda keys: keys[0] != keys[2],
    ),
    Family(
        "quantify",
        (QUANTIFIERS, ANY_NUMBER_TESTS, NUMBER_TESTS),
        ("numbers",),
        _quantify,
        ("check", "are"),
        "truth",
        allowed=lambda keys: keys[1] != keys[2],
    ),
    Family("extreme", (EXTREMES, _KEYS, ANY_NUMBER_TESTS), ("numbers",), _extreme, ("best", "extreme")),
    Family(
        "arrange", (ARRANGEMENTS, ANY_NUMBER_CHANGES, ANY_NUMBER_TESTS), ("numbers",), _arrange, ("arrange", "order")
    ),
    Family("zip", (_COLLECTS, OPERATIONS, ANY_NUMBER_TESTS), ("numbers", "numbers"), _zip, ("pair", "zip")),
    Family(
        "positions",
        (_COLLECTS, ANY_NUMBER_CHANGES, NUMBER_TESTS[:2] + NUMBER_TESTS[5:]),
        ("numbers",),
        _positions,
        ("at", "select"),
    ),
    Family("flatten", (_COLLECTS, ANY_NUMBER_CHANGES, ANY_NUMBER_TESTS), ("rows",), _flatten, ("flatten", "flat")),
    Family(
        "sets",
        (SET_OPERATIONS, ANY_NUMBER_CHANGES, ANY_NUMBER_TESTS),
        ("numbers", "numbers"),
        _sets,
        ("merge", "shared"),
    ),
    Family(
        "pair",
        (_PAIR_REDUCTIONS, NUMBER_TESTS, _PAIR_REDUCTIONS, NUMBER_TESTS),
        ("numbers",),
        _pair,
        ("both", "split"),
        allowed=lambda keys: keys[1] != keys[3],
    ),
)
