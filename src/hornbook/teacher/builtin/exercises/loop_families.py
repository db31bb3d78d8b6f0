"""Families of functions of lists of numbers, written with loops."""

from __future__ import annotations

from typing import Any

from hornbook.teacher.builtin.exercises.family import Family, Sketch, Style, something
from hornbook.teacher.builtin.exercises.list_families import noun_of
from hornbook.teacher.builtin.exercises.number_parts import ANY_NUMBER_CHANGES, ANY_NUMBER_TESTS, NUMBER_TESTS
from hornbook.teacher.builtin.exercises.parts import Bound, BoundChange, BoundTest, Part


def _guarded(test: BoundTest, v: str, lines: tuple[str, ...]) -> tuple[str, ...]:
    """The lines of a loop's body, under the test unless everything passes it."""
    if test.always:
        return tuple(f"    {line}" for line in lines)
    return (f"    if {test.code(v)}:", *(f"        {line}" for line in lines))


def _reduce_loop(style: Style, reduction: Bound, change: BoundChange, test: BoundTest) -> Sketch:
    (xs,) = style.names
    start, _, update = reduction.part.code.partition(";")
    return Sketch(
        phrase=reduction.words(x=change.many(test.those(noun_of(style), xs, style.form))),
        body=(
            f"total = {start}",
            f"for v in {xs}:",
            *_guarded(test, "v", (update.format(x=change.code("v")),)),
            "return total",
        ),
        meaning=lambda values: reduction.apply([change.apply(v) for v in values if test.apply(v)]),
    )


def _build_loop(style: Style, change: BoundChange, test: BoundTest) -> Sketch:
    (xs,) = style.names
    group = change.many(test.those(noun_of(style), xs, style.form))
    return Sketch(
        phrase=style.pick(f"the list of {group}", f"a list of {group}"),
        body=(
            "result = []",
            f"for v in {xs}:",
            *_guarded(test, "v", (f"result.append({change.code('v')})",)),
            "return result",
        ),
        meaning=lambda values: [change.apply(v) for v in values if test.apply(v)],
    )


def _first(style: Style, change: BoundChange, test: BoundTest, default: Bound) -> Sketch:
    (xs,) = style.names
    group = change.one(f"the first of the {test.group(noun_of(style))} in {xs}")
    none = style.pick("or {d} if there is none", "or {d} when there is none")
    return Sketch(
        phrase=f"{group}, {none.format(d=default.part.code)}",
        body=(
            f"for v in {xs}:",
            f"    if {test.code('v')}:",
            f"        return {change.code('v')}",
            f"return {default.part.code}",
        ),
        meaning=lambda values: next((change.apply(v) for v in values if test.apply(v)), default.apply()),
    )


def _position(style: Style, which: Bound, test: BoundTest, default: Bound) -> Sketch:
    (xs,) = style.names
    group = test.group(noun_of(style))
    none = style.pick("or {d} if there is none", "or {d} when there is none")
    place = "the index of" if style.form % 2 else "the position of"
    last = which.key == "last"
    lines = (
        (
            f"result = {default.part.code}",
            f"for i, v in enumerate({xs}):",
            f"    if {test.code('v')}:",
            "        result = i",
            "return result",
        )
        if last
        else (
            f"for i, v in enumerate({xs}):",
            f"    if {test.code('v')}:",
            "        return i",
            f"return {default.part.code}",
        )
    )

    def meaning(values: list[int]) -> Any:
        places = [i for i in range(len(values)) if test.apply(values[i])]
        return (places[-1] if last else places[0]) if places else default.apply()

    return Sketch(f"{place} {which.words(group=group, xs=xs)}, {none.format(d=default.part.code)}", lines, meaning)


def _running(style: Style, change: BoundChange, test: BoundTest) -> Sketch:
    (xs,) = style.names
    group = change.many(test.those(noun_of(style), xs, style.form))

    def meaning(values: list[int]) -> list[int]:
        kept = [change.apply(v) for v in values if test.apply(v)]
        return [sum(kept[: i + 1]) for i in range(len(kept))]

    return Sketch(
        phrase=style.pick(f"the running totals of {group}", f"the list of running totals of {group}"),
        body=(
            "result = []",
            "total = 0",
            f"for v in {xs}:",
            *_guarded(test, "v", (f"total += {change.code('v')}", "result.append(total)")),
            "return result",
        ),
        meaning=meaning,
    )


def _limit(style: Style, outcome: Bound, change: BoundChange, stop: BoundTest) -> Sketch:
    (xs,) = style.names
    group = change.many(f"the {noun_of(style)} in {xs}")
    update = {"total": f"total += {change.code('v')}", "list": f"result.append({change.code('v')})"}[outcome.key]
    name, start = {"total": ("total", "0"), "list": ("result", "[]")}[outcome.key]

    def meaning(values: list[int]) -> Any:
        places = [i for i, v in enumerate(values) if stop.apply(v)]
        return outcome.apply([change.apply(v) for v in values[: places[0] if places else len(values)]])

    return Sketch(
        phrase=f"{outcome.words(x=group)}, stopping at the first that {stop.be}",
        body=(
            f"{name} = {start}",
            f"for v in {xs}:",
            f"    if {stop.code('v')}:",
            "        break",
            f"    {update}",
            f"return {name}",
        ),
        meaning=meaning,
    )


def _times(values: list[int], start: int) -> int:
    answer = start
    for value in values:
        answer *= value
    return answer


# The code of a loop's reduction: what it starts from; what it does with {x}.
LOOP_REDUCTIONS = (
    Part("sum", "sum", "0;total += {x}", lambda xs, k: sum(xs), ("the sum of {x}", "the total of {x}")),
    Part("product", "product", "1;total *= {x}", lambda xs, k: _times(xs, 1), ("the product of {x}",)),
    Part("last", "last", "0;total = {x}", lambda xs, k: [0, *xs][-1], ("the last one of {x}, or 0",)),
)
DEFAULTS = (
    Part("none", "", "None", lambda k: None, ("",)),
    Part("minus_one", "", "-1", lambda k: -1, ("",)),
    Part("zero", "", "0", lambda k: 0, ("",)),
)
WHICH = (
    Part("first", "first", "", lambda k: None, ("the first of the {group} in {xs}",)),
    Part("last", "last", "", lambda k: None, ("the last of the {group} in {xs}",)),
)
OUTCOMES = (
    Part("total", "sum", "", lambda xs, k: sum(xs), ("the sum of {x}", "the total of {x}")),
    Part("list", "list", "", lambda xs, k: list(xs), ("the list of {x}",)),
)

FAMILIES = (
    Family(
        "reduce_loop",
        (LOOP_REDUCTIONS, ANY_NUMBER_CHANGES, ANY_NUMBER_TESTS),
        ("numbers",),
        _reduce_loop,
        ("reduce", "loop"),
        "loop",
    ),
    Family(
        "build_loop",
        (ANY_NUMBER_CHANGES, ANY_NUMBER_TESTS),
        ("numbers",),
        _build_loop,
        ("keep", "collect"),
        "loop",
        group="build",
        allowed=something(0, 1),
    ),
    Family("first", (ANY_NUMBER_CHANGES, NUMBER_TESTS, DEFAULTS), ("numbers",), _first, ("first", "find")),
    Family("position", (WHICH, NUMBER_TESTS, DEFAULTS), ("numbers",), _position, ("index", "position")),
    Family("running", (ANY_NUMBER_CHANGES, ANY_NUMBER_TESTS), ("numbers",), _running, ("running", "totals")),
    Family("limit", (OUTCOMES, ANY_NUMBER_CHANGES, NUMBER_TESTS), ("numbers",), _limit, ("stop", "before"), "loop"),
)
