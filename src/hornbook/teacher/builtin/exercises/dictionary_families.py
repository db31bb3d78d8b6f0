"""Families of functions that read or build dictionaries."""

from __future__ import annotations

from typing import Any

from hornbook.teacher.builtin.exercises.family import Family, Sketch, Style
from hornbook.teacher.builtin.exercises.list_families import noun_of as number_noun
from hornbook.teacher.builtin.exercises.number_parts import (
    ANY_NUMBER_CHANGES,
    ANY_NUMBER_TESTS,
    NUMBER_TESTS,
    REDUCTIONS,
    SMALL,
    reduction_code,
)
from hornbook.teacher.builtin.exercises.parts import SAME, Bound, BoundChange, BoundTest, Change, ChangeWords, Part
from hornbook.teacher.builtin.exercises.string_families import noun_of as word_noun
from hornbook.teacher.builtin.exercises.string_parts import (
    ANY_CHARACTER_TESTS,
    ANY_STRING_CHANGES,
    ANY_STRING_TESTS,
    DOUBLED,
    LOWERED,
    STRING_TESTS,
    SWAPPED,
    UPPERED,
)


def _select(style: Style, change: BoundChange, test: BoundTest) -> Sketch:
    (d,) = style.names
    condition = "" if test.always else f" whose value {test.be}"
    return Sketch(
        phrase=f"a dictionary of the keys in {d}{condition} with {change.many('the values')}",
        body=(f"return {{key: {change.code('value')} for key, value in {d}.items(){test.condition('value')}}}",),
        meaning=lambda table: {key: change.apply(table[key]) for key in table if test.apply(table[key])},
    )


def _values(style: Style, reduction: Bound, change: BoundChange, test: BoundTest) -> Sketch:
    (d,) = style.names
    source = f"the dictionary {d}"
    return Sketch(
        phrase=reduction.words(x=change.many(test.those("values", source, style.form))),
        body=(f"return {reduction_code(reduction, change, test.condition('v'), 'v', f'{d}.values()')}",),
        meaning=lambda table: reduction.apply([change.apply(table[key]) for key in table if test.apply(table[key])]),
    )


def _keys(style: Style, change: BoundChange, test: BoundTest) -> Sketch:
    (d,) = style.names
    listing = style.pick("the list of", "a list of")
    return Sketch(
        phrase=f"{listing} {change.many(f'the keys in {d} whose value {test.be}')}",
        body=(f"return [{change.code('key')} for key, value in {d}.items() if {test.code('value')}]",),
        meaning=lambda table: [change.apply(key) for key in table if test.apply(table[key])],
    )


def _key_test(style: Style, change: BoundChange, test: BoundTest) -> Sketch:
    (d,) = style.names
    listing = style.pick("the list of", "a list of")
    return Sketch(
        phrase=f"{listing} {change.many(f'the values in {d} whose key {test.be}')}",
        body=(f"return [{change.code('value')} for key, value in {d}.items() if {test.code('key')}]",),
        meaning=lambda table: [change.apply(table[key]) for key in table if test.apply(key)],
    )


def _tally_sketch(style: Style, group: str, source: str, v: str, key: BoundChange, test: BoundTest) -> Sketch:
    """A dictionary of counts."""
    update = "result[key] = result.get(key, 0) + 1"
    indent = "" if test.always else "    "
    guard = () if test.always else (f"    if {test.code(v)}:",)

    def meaning(values: Any) -> dict[Any, int]:
        keys = [key.apply(value) for value in values if test.apply(value)]
        return {one: keys.count(one) for one in keys}

    form = style.pick(
        "a dictionary that counts {group}",
        "a dictionary of the counts of {group}",
        "how often each occurs among {group}, as a dictionary",
    )
    return Sketch(
        phrase=form.format(group=group),
        body=(
            "result = {}",
            f"for {v} in {source}:",
            *guard,
            f"    {indent}key = {key.code(v)}",
            f"    {indent}{update}",
            "return result",
        ),
        meaning=meaning,
    )


def _tally(style: Style, key: BoundChange, test: BoundTest) -> Sketch:
    (xs,) = style.names
    group = key.many(test.those(number_noun(style), xs, style.form))
    return _tally_sketch(style, group, xs, "v", key, test)


def _tally_words(style: Style, key: BoundChange, test: BoundTest) -> Sketch:
    (ws,) = style.names
    group = key.many(test.those(word_noun(style), ws, style.form))
    return _tally_sketch(style, group, ws, "w", key, test)


def _tally_characters(style: Style, key: BoundChange, test: BoundTest) -> Sketch:
    (s,) = style.names
    group = key.many(test.those("characters", s, style.form))
    return _tally_sketch(style, group, s, "c", key, test)


def _group(style: Style, key: BoundChange, test: BoundTest) -> Sketch:
    (ws,) = style.names
    group = test.those(word_noun(style), ws, style.form)
    indent = "" if test.always else "    "
    guard = () if test.always else (f"    if {test.code('w')}:",)

    def meaning(words: list[str]) -> dict[Any, list[str]]:
        kept = [word for word in words if test.apply(word)]
        return {key.apply(one): [word for word in kept if key.apply(word) == key.apply(one)] for one in kept}

    return Sketch(
        phrase=f"a dictionary that groups {group} by {key.one('each word')}",
        body=(
            "result = {}",
            f"for w in {ws}:",
            *guard,
            f"    {indent}result.setdefault({key.code('w')}, []).append(w)",
            "return result",
        ),
        meaning=meaning,
    )


def _invert(style: Style, change: BoundChange, test: BoundTest) -> Sketch:
    (d,) = style.names
    condition = "" if test.always else f" where the value {test.be}"
    return Sketch(
        phrase=style.pick(
            f"a dictionary from the values to {change.many('the keys')} of {d}{condition}",
            f"the inverse of {d}, from values to {change.many('keys')}{condition}",
        ),
        body=(f"return {{value: {change.code('key')} for key, value in {d}.items(){test.condition('value')}}}",),
        meaning=lambda table: {table[key]: change.apply(key) for key in table if test.apply(table[key])},
    )


def _lookup(style: Style, change: BoundChange, test: BoundTest, default: Bound) -> Sketch:
    d, name = style.names
    return Sketch(
        phrase=f"{change.one(f'the value of {name} in {d}')} if that value {test.be}, otherwise {default.k}",
        body=(
            f"value = {d}.get({name}, 0)",
            f"if {test.code('value')}:",
            f"    return {change.code('value')}",
            f"return {default.k}",
        ),
        meaning=lambda table, key: change.apply(table.get(key, 0)) if test.apply(table.get(key, 0)) else default.k,
    )


def _merge(style: Style, change: BoundChange, test: BoundTest) -> Sketch:
    a, b = style.names
    group = change.many(test.those("values", b, 1))

    def meaning(left: dict[str, int], right: dict[str, int]) -> dict[str, int]:
        kept = {key: change.apply(value) for key, value in right.items() if test.apply(value)}
        return {key: sum(part[key] for part in (left, kept) if key in part) for key in [*left, *kept]}

    indent = "" if test.always else "    "
    guard = () if test.always else (f"    if {test.code('value')}:",)
    return Sketch(
        phrase=style.pick(
            f"a copy of {a} plus, key by key, {group}",
            f"a copy of {a} with {group} added to it",
            f"the sums by key of {a} and {group}",
        ),
        body=(
            f"result = {a}.copy()",
            f"for key, value in {b}.items():",
            *guard,
            f"    {indent}result[key] = result.get(key, 0) + {change.code('value', 2)}",
            "return result",
        ),
        meaning=meaning,
    )


WORD_KEYS = (
    SAME,
    UPPERED,
    DOUBLED,
    LOWERED,
    Change(
        "length",
        "length",
        "len({v})",
        lambda s, k: sum(1 for _ in s),
        (ChangeWords("the length of {x}", "the lengths of {x}", "measured"),),
    ),
    Change(
        "initial",
        "initial",
        "{v}[:1]",
        lambda s, k: "".join(list(s)[:1]),
        (ChangeWords("the first letter of {x}", "the first letters of {x}", "cut to its first letter"),),
    ),
    Change(
        "final",
        "final",
        "{v}[-1:]",
        lambda s, k: "".join(list(s)[len(s) - 1 :]) if s else "",
        (ChangeWords("the last letter of {x}", "the last letters of {x}", "cut to its last letter"),),
    ),
)
DEFAULTS = (Part("number", "", "", lambda k: k, ("",), (0, 1, *SMALL)),)
_CHARACTER_KEYS = (SAME, UPPERED, LOWERED, SWAPPED, DOUBLED)

FAMILIES = (
    Family("select", (ANY_NUMBER_CHANGES, ANY_NUMBER_TESTS), ("table",), _select, ("select", "filter")),
    Family("values", (REDUCTIONS, ANY_NUMBER_CHANGES, ANY_NUMBER_TESTS), ("table",), _values, ("values", "table")),
    Family("keys", (ANY_STRING_CHANGES, NUMBER_TESTS), ("table",), _keys, ("keys", "names")),
    Family("key_test", (ANY_NUMBER_CHANGES, STRING_TESTS), ("table",), _key_test, ("values", "lookup")),
    Family("tally", (ANY_NUMBER_CHANGES, ANY_NUMBER_TESTS), ("numbers",), _tally, ("tally", "count")),
    Family("tally_words", (WORD_KEYS, ANY_STRING_TESTS), ("words",), _tally_words, ("tally", "count")),
    Family(
        "tally_characters", (_CHARACTER_KEYS, ANY_CHARACTER_TESTS), ("text",), _tally_characters, ("tally", "count")
    ),
    Family("group", (WORD_KEYS[1:], ANY_STRING_TESTS), ("words",), _group, ("group",)),
    Family("invert", (ANY_STRING_CHANGES, ANY_NUMBER_TESTS), ("table",), _invert, ("invert", "flip")),
    Family("lookup", (ANY_NUMBER_CHANGES, NUMBER_TESTS, DEFAULTS), ("table", "key"), _lookup, ("lookup", "get")),
    Family("merge", (ANY_NUMBER_CHANGES, ANY_NUMBER_TESTS), ("table", "table"), _merge, ("merge", "add")),
)
