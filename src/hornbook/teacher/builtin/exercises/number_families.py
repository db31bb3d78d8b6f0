"""Families of functions of one to three numbers."""

from __future__ import annotations

from hornbook.teacher.builtin.exercises.family import Family, Sketch, Style, differ, something
from hornbook.teacher.builtin.exercises.number_parts import (
    ANY_NUMBER_CHANGES,
    NUMBER_CHANGES,
    NUMBER_TESTS,
    OPERATIONS,
    BoundOperation,
)
from hornbook.teacher.builtin.exercises.parts import JOINS, Bound, BoundChange, BoundJoin, BoundTest, Part, each


def _formula(style: Style, operation: BoundOperation, first: BoundChange, second: BoundChange) -> Sketch:
    a, b = style.names
    return Sketch(
        phrase=operation.of(first.one(a), second.one(b)),
        body=(f"return {operation.expression(first, second, a, b)}",),
        meaning=lambda x, y: operation.apply(first.apply(x), second.apply(y)),
    )


def _nested_formula(
    style: Style, outer: BoundOperation, side: Bound, inner: BoundOperation, change: BoundChange
) -> Sketch:
    """Two operations on three numbers; the inner one is the left or the right operand, the other operand is changed."""
    a, b, c = style.names
    if side.key == "left":
        inside = inner.part.code.format(x=a, y=b), inner.part.level
        return Sketch(
            phrase=outer.of(f"({inner.infix(a, b)})", change.one(c)),
            body=(f"return {outer.joined(inside, (change.code(c), change.part.level))}",),
            meaning=lambda x, y, z: outer.apply(inner.apply(x, y), change.apply(z)),
        )
    inside = inner.part.code.format(x=b, y=c), inner.part.level
    return Sketch(
        phrase=outer.of(change.one(a), f"({inner.infix(b, c)})"),
        body=(f"return {outer.joined((change.code(a), change.part.level), inside)}",),
        meaning=lambda x, y, z: outer.apply(change.apply(x), inner.apply(y, z)),
    )


def _choose(style: Style, test: BoundTest, yes: BoundChange, no: BoundChange) -> Sketch:
    (n,) = style.names
    form = style.pick("{yes} if {n} {be}, otherwise {no}", "{yes} when {n} {be}, or else {no}")
    return Sketch(
        phrase=form.format(yes=yes.one(n), n=n, be=test.be, no=no.one(n)),
        body=(f"if {test.code(n)}:", f"    return {yes.code(n)}", f"return {no.code(n)}"),
        meaning=lambda x: yes.apply(x) if test.apply(x) else no.apply(x),
    )


def _label(style: Style, first: BoundTest, second: BoundTest, labels: Bound) -> Sketch:
    (n,) = style.names
    one, two, three = labels.k
    form = style.pick(
        '"{one}" if {n} {a}, "{two}" if {n} {b}, otherwise "{three}"',
        '"{one}" when {n} {a}, "{two}" when {n} {b}, or else "{three}"',
    )
    return Sketch(
        phrase=form.format(one=one, two=two, three=three, n=n, a=first.be, b=second.be),
        body=(
            f"if {first.code(n)}:",
            f'    return "{one}"',
            f"elif {second.code(n)}:",
            f'    return "{two}"',
            f'return "{three}"',
        ),
        meaning=lambda x: labels.k[0 if first.apply(x) else 1 if second.apply(x) else 2],
    )


def _nested_choice(style: Style, outer: BoundTest, inner: BoundTest, change: BoundChange) -> Sketch:
    a, b = style.names
    form = style.pick(
        "{yes} if {a} {outer} and {b} {inner}, {b} if only {a} {outer_short}, otherwise 0",
        "{yes} when {a} {outer} and {b} {inner}, {b} when only {a} {outer_short}, or else 0",
    )
    return Sketch(
        phrase=form.format(yes=change.one(a), a=a, b=b, outer=outer.be, inner=inner.be, outer_short=outer.be),
        body=(
            f"if {outer.code(a)}:",
            f"    if {inner.code(b)}:",
            f"        return {change.code(a)}",
            f"    return {b}",
            "return 0",
        ),
        meaning=lambda x, y: (change.apply(x) if inner.apply(y) else y) if outer.apply(x) else 0,
    )


def _compose(style: Style, first: BoundChange, second: BoundChange) -> Sketch:
    (n,) = style.names
    form = style.pick("{n} {first} and then {second}", "{n} first {first}, then {second}")
    return Sketch(
        phrase=form.format(n=n, first=first.then, second=second.then),
        body=(f"result = {first.code(n)}", f"return {second.code('result')}"),
        meaning=lambda x: second.apply(first.apply(x)),
    )


def _test(style: Style, first: BoundTest, join: BoundJoin, second: BoundTest) -> Sketch:
    (n,) = style.names
    return Sketch(
        phrase=f"{n} {join.be(first, second)}",
        body=(f"return {join.condition(first, second, n)}",),
        meaning=lambda x: join.passes(first, second, x),
    )


def _range(style: Style, collect: Bound, change: BoundChange, test: BoundTest) -> Sketch:
    (n,) = style.names
    group = test.group("numbers")
    form = style.pick("the {group} from 1 to {n}", "the {group} in the range 1 to {n}")
    return Sketch(
        phrase=collect.words(x=change.many(form.format(group=group, n=n))),
        body=(f"return {collect.part.code.format(x=each(change, 'i', f'range(1, {n} + 1)', test))}",),
        meaning=lambda x: collect.apply([change.apply(i + 1) for i in range(x) if test.apply(i + 1)]),
    )


def _digits(style: Style, collect: Bound, change: BoundChange, test: BoundTest) -> Sketch:
    (n,) = style.names
    start, step = {"sum": ("0", "+="), "product": ("1", "*="), "list": ("[]", "")}[collect.key]
    update = f"total {step} {change.code('digit')}" if step else f"total.append({change.code('digit')})"
    return Sketch(
        phrase=collect.words(x=change.many(test.those("digits", n, style.form))),
        body=(
            f"total = {start}",
            f"while {n} > 0:",
            f"    digit = {n} % 10",
            f"    if {test.code('digit')}:",
            f"        {update}",
            f"    {n} //= 10",
            "return total",
        ),
        meaning=lambda x: collect.apply(
            [change.apply(int(d)) for d in reversed(str(x)) if x and test.apply(int(d))],
        ),
    )


def _until(style: Style, change: BoundChange, test: BoundTest, outcome: Bound) -> Sketch:
    (n,) = style.names
    before, inside = {
        "steps": ("0", "total += 1"),
        "sum": ("0", f"total += {n}"),
        "list": ("[]", f"total.append({n})"),
    }[outcome.key]

    def meaning(x: int) -> object:
        seen = []
        while test.apply(x):
            seen.append(x)
            x = change.apply(x)
        return outcome.apply(seen)

    return Sketch(
        phrase=outcome.words(x=f"while {n} {test.be} and is repeatedly {change.then}", n=n),
        body=(
            f"total = {before}",
            f"while {test.code(n)}:",
            f"    {inside}",
            f"    {n} = {change.code(n)}",
            "return total",
        ),
        meaning=meaning,
    )


def _only(parts: tuple[Part, ...], *keys: str) -> tuple[Part, ...]:
    return tuple(part for part in parts if part.key in keys)


def _without(parts: tuple[Part, ...], *keys: str) -> tuple[Part, ...]:
    return tuple(part for part in parts if part.key not in keys)


def _product(values: list[int]) -> int:
    answer = 1
    for value in values:
        answer *= value
    return answer


SIDES = (
    Part("left", "left", "", lambda k: None, ("",)),
    Part("right", "right", "", lambda k: None, ("",)),
)
LABELS = (
    Part(
        "sizes",
        "size",
        "",
        lambda k: None,
        ("",),
        (("low", "mid", "high"), ("small", "medium", "large"), ("tiny", "big", "huge"), ("short", "long", "other")),
    ),
    Part(
        "colors",
        "color",
        "",
        lambda k: None,
        ("",),
        (("red", "green", "blue"), ("green", "red", "gray"), ("blue", "red", "white"), ("white", "black", "gray")),
    ),
    Part(
        "words",
        "word",
        "",
        lambda k: None,
        ("",),
        (("yes", "no", "maybe"), ("good", "bad", "okay"), ("hot", "cold", "warm"), ("left", "right", "middle")),
    ),
)
COLLECTS = (
    Part("sum", "sum", "sum({x})", lambda xs, k: sum(xs), ("the sum of {x}", "the total of {x}")),
    Part("product", "product", "", lambda xs, k: _product(xs), ("the product of {x}",)),
    Part("list", "list", "[{x}]", lambda xs, k: list(xs), ("the list of {x}", "a list of {x}")),
)
OUTCOMES = (
    Part("steps", "steps", "", lambda xs, k: len(xs), ("the number of steps {x}",)),
    Part("sum", "sum", "", lambda xs, k: sum(xs), ("the sum of the values of {n} {x}",)),
    Part("list", "list", "", lambda xs, k: list(xs), ("the list of the values of {n} {x}",)),
)
_POSITIVE_TESTS = _without(NUMBER_TESTS, "positive", "negative", "nonzero")
_POSITIVE_CHANGES = _without(ANY_NUMBER_CHANGES, "absolute")

_INFIX = _only(OPERATIONS, "add", "subtract", "multiply")
_FEW_CHANGES = _only(ANY_NUMBER_CHANGES, "same", "square", "cube", "double", "triple")

FAMILIES = (
    Family(
        "formula",
        (OPERATIONS, ANY_NUMBER_CHANGES, ANY_NUMBER_CHANGES),
        ("number", "number"),
        _formula,
        ("combine", "formula"),
        allowed=something(1, 2),
    ),
    Family(
        "nested_formula",
        (OPERATIONS, SIDES, _INFIX, _FEW_CHANGES),
        ("number",) * 3,
        _nested_formula,
        ("combine", "formula"),
    ),
    Family(
        "choose",
        (NUMBER_TESTS, ANY_NUMBER_CHANGES, ANY_NUMBER_CHANGES),
        ("number",),
        _choose,
        ("choose", "adjust", "if"),
        allowed=differ(1, 2),
    ),
    Family(
        "label",
        (NUMBER_TESTS, NUMBER_TESTS, LABELS),
        ("number",),
        _label,
        ("label", "name", "classify"),
        allowed=differ(0, 1),
    ),
    Family(
        "nested_choice",
        (NUMBER_TESTS, NUMBER_TESTS, NUMBER_CHANGES),
        ("number", "number"),
        _nested_choice,
        ("pick", "decide"),
    ),
    Family(
        "compose", (NUMBER_CHANGES, NUMBER_CHANGES), ("number",), _compose, ("chain", "then"), allowed=lambda keys: True
    ),
    Family(
        "test", (NUMBER_TESTS, JOINS, NUMBER_TESTS), ("number",), _test, ("is", "check"), "truth", allowed=differ(0, 2)
    ),
    Family(
        "range",
        (_only(COLLECTS, "sum", "list"), _POSITIVE_CHANGES, _POSITIVE_TESTS),
        ("positive",),
        _range,
        ("range", "upto"),
    ),
    Family(
        "digits",
        (COLLECTS, _POSITIVE_CHANGES, _POSITIVE_TESTS),
        ("natural",),
        _digits,
        ("digits", "digit"),
        "while",
    ),
    Family(
        "until",
        (
            _only(NUMBER_CHANGES, "half", "minus", "quotient"),
            _only(NUMBER_TESTS, "positive", "greater", "at_least"),
            OUTCOMES,
        ),
        ("number",),
        _until,
        ("shrink", "repeat"),
        "while",
    ),
)
