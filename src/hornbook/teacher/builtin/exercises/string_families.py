"""Families of functions of text and of lists of words."""

from __future__ import annotations

from hornbook.teacher.builtin.exercises.family import Family, Sketch, Style, differ, something
from hornbook.teacher.builtin.exercises.names import NOUNS
from hornbook.teacher.builtin.exercises.parts import JOINS, Bound, BoundChange, BoundJoin, BoundTest, Part, each
from hornbook.teacher.builtin.exercises.string_parts import (
    ANY_CHARACTER_CHANGES,
    ANY_STRING_CHANGES,
    ANY_STRING_TESTS,
    CHARACTER_CHANGES,
    CHARACTER_TESTS,
    MARKS,
    STRING_CHANGES,
    STRING_TESTS,
)

# The names of loop variables.
CHARACTER, WORD = "c", "w"


def noun_of(style: Style) -> str:
    """What the strings in a list are called."""
    nouns = NOUNS["words"]
    return nouns[style.noun % len(nouns)]


def _characters(style: Style, change: BoundChange, test: BoundTest) -> Sketch:
    (s,) = style.names
    return Sketch(
        phrase=style.pick("a string of {x}", "the string of {x}").format(
            x=change.many(test.those("characters", s, style.form))
        ),
        body=(f'return "".join({each(change, CHARACTER, s, test)})',),
        meaning=lambda text: "".join([change.apply(c) for c in text if test.apply(c)]),
    )


def _count_characters(style: Style, first: BoundTest, join: BoundJoin, second: BoundTest) -> Sketch:
    (s,) = style.names
    count = style.pick("the number of", "the count of")
    return Sketch(
        phrase=f"{count} characters in {s} that {join.are(first, second)}",
        body=(f"return sum(1 for c in {s} if {join.condition(first, second, 'c')})",),
        meaning=lambda text: len([c for c in text if join.passes(first, second, c)]),
    )


def _substitute(style: Style, change: BoundChange, test: BoundTest, rest: BoundChange) -> Sketch:
    (s,) = style.names
    group = f"the {test.group('characters')}"
    others = "" if rest.same else f" and {rest.many('the others')}"
    return Sketch(
        phrase=f"{s} with {change.many(group)}{others}",
        body=(
            'result = ""',
            f"for c in {s}:",
            f"    if {test.code('c')}:",
            f"        result += {change.code('c')}",
            "    else:",
            f"        result += {rest.code('c')}",
            "return result",
        ),
        meaning=lambda text: "".join([change.apply(c) if test.apply(c) else rest.apply(c) for c in text]),
    )


def _sentence(style: Style, change: BoundChange, test: BoundTest) -> Sketch:
    (s,) = style.names
    return Sketch(
        phrase=style.pick("a sentence of {x}", "the sentence of {x}").format(
            x=change.many(test.those("words", s, style.form))
        ),
        body=(f'return " ".join({each(change, WORD, f"{s}.split()", test)})',),
        meaning=lambda text: " ".join([change.apply(w) for w in text.split() if test.apply(w)]),
    )


def _gather(style: Style, collect: Bound, change: BoundChange, test: BoundTest) -> Sketch:
    (ws,) = style.names
    group = change.many(test.those(noun_of(style), ws, style.form))
    return Sketch(
        phrase=collect.words(x=group),
        body=(f"return {collect.code(each(change, 'w', ws, test))}",),
        meaning=lambda words: collect.apply([change.apply(w) for w in words if test.apply(w)]),
    )


def _string_test(style: Style, first: BoundTest, join: BoundJoin, second: BoundTest) -> Sketch:
    (s,) = style.names
    return Sketch(
        phrase=f"{s} {join.be(first, second)}",
        body=(f"return {join.condition(first, second, s)}",),
        meaning=lambda text: join.passes(first, second, text),
    )


def _string_choose(style: Style, test: BoundTest, yes: BoundChange, no: BoundChange) -> Sketch:
    (s,) = style.names
    form = style.pick("{yes} if {s} {be}, otherwise {no}", "{yes} when {s} {be}, or else {no}")
    return Sketch(
        phrase=form.format(yes=yes.one(s), s=s, be=test.be, no=no.one(s)),
        body=(f"if {test.code(s)}:", f"    return {yes.code(s)}", f"return {no.code(s)}"),
        meaning=lambda text: yes.apply(text) if test.apply(text) else no.apply(text),
    )


def _join_two(style: Style, first: BoundChange, glue: Bound, second: BoundChange) -> Sketch:
    a, b = style.names
    between = f' + "{glue.k[0]}" + ' if glue.k else " + "
    return Sketch(
        phrase=glue.words(x=first.one(a), y=second.one(b)),
        body=(f"return {first.code(a)}{between}{second.code(b)}",),
        meaning=lambda x, y: glue.apply(first.apply(x), second.apply(y)),
    )


def _string_compose(style: Style, first: BoundChange, second: BoundChange) -> Sketch:
    (s,) = style.names
    form = style.pick("{s} {first} and then {second}", "{s} first {first}, then {second}")
    return Sketch(
        phrase=form.format(s=s, first=first.then, second=second.then),
        body=(f"result = {first.code(s)}", f"return {second.code('result')}"),
        meaning=lambda text: second.apply(first.apply(text)),
    )


GLUES = (
    Part("none", "join", "", lambda x, y, k: x + y, ("{x} and {y} joined together",)),
    Part("mark", "glue", "", lambda x, y, k: k[0].join((x, y)), ("{x} and {y} joined by {k[1]}",), MARKS),
)
WORD_COLLECTS = (
    Part("list", "list", "[{v}]", lambda xs, k: list(xs), ("the list of {x}", "a list of {x}")),
    Part("mark", "join", '"{k[0]}".join({v})', lambda xs, k: k[0].join(xs), ("{x}, joined by {k[1]}",), MARKS),
    Part("sorted", "sorted", "sorted({v})", lambda xs, k: sorted(xs), ("{x}, in sorted order",)),
)

FAMILIES = (
    Family(
        "characters",
        (ANY_CHARACTER_CHANGES, tuple(CHARACTER_TESTS)),
        ("text",),
        _characters,
        ("keep", "only"),
    ),
    Family(
        "count_characters",
        (CHARACTER_TESTS, JOINS, CHARACTER_TESTS),
        ("text",),
        _count_characters,
        ("count",),
        allowed=differ(0, 2),
    ),
    Family(
        "substitute",
        (CHARACTER_CHANGES, CHARACTER_TESTS, ANY_CHARACTER_CHANGES),
        ("text",),
        _substitute,
        ("change", "replace"),
        "loop",
        allowed=differ(0, 2),
    ),
    Family(
        "sentence",
        (ANY_STRING_CHANGES, ANY_STRING_TESTS),
        ("sentence",),
        _sentence,
        ("words", "keep"),
        allowed=something(0, 1),
    ),
    Family(
        "gather",
        (WORD_COLLECTS, ANY_STRING_CHANGES, ANY_STRING_TESTS),
        ("words",),
        _gather,
        ("gather", "words"),
        allowed=something(1, 2),
    ),
    Family(
        "string_test",
        (STRING_TESTS, JOINS, STRING_TESTS),
        ("text",),
        _string_test,
        ("is", "check"),
        "truth",
        allowed=differ(0, 2),
    ),
    Family(
        "string_choose",
        (STRING_TESTS, ANY_STRING_CHANGES, ANY_STRING_CHANGES),
        ("text",),
        _string_choose,
        ("choose", "adjust"),
        allowed=differ(1, 2),
    ),
    Family(
        "join_two", (ANY_STRING_CHANGES, GLUES, ANY_STRING_CHANGES), ("text", "text"), _join_two, ("join", "combine")
    ),
    Family("string_compose", (STRING_CHANGES, STRING_CHANGES), ("text",), _string_compose, ("chain", "then")),
)
