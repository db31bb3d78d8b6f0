"""The reader of answers against writers of every kind."""

from __future__ import annotations

import ast
import math
import warnings
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hornbook.sandbox import answers
from hornbook.sandbox.inside import wire
from hornbook.sandbox.program import CallResult, Outcome

SYMBOLS = st.text(alphabet="[](){},:' \"\\-+.0123456789eENnoneTrueFalssetxu\n\tb#_j=*@é", max_size=60)


@settings(max_examples=300, deadline=None)
@given(text=SYMBOLS | st.text(max_size=40))
def test_any_text_gives_a_result_and_no_warning(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = answers.literal(text)
    assert result.error == "" or result.error.startswith("ValueError: the result is no plain literal")
    if not result.error:
        answers.check_argument(result.value)  # nothing but plain literals gets through


WRITTEN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(), inner, max_size=3)
    ),
    max_leaves=8,
).map(repr)


@settings(max_examples=500, deadline=None)
@given(text=SYMBOLS | WRITTEN | st.text(alphabet="[]{}:,'1- e.", max_size=12))
@example(text="NaN")
@example(text="[Infinity]")
@example(text="['NaN', 'null']")
@example(text="{'a': 1, 'b': 2, 'a': 3}")
@example(text="-0")
@example(text="[-0.0, 1e999, 01.5, 00]")
@example(text="'a' 'b'")
def test_a_result_is_what_python_reads(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            python = repr(ast.literal_eval(text))
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            python = None
    result = answers.literal(text)
    assert result.error or repr(result.value) == python


@pytest.mark.parametrize("text", ["'a'", "12", "[-1, 2.5, 'b c']", "{'k': [True, None]}", "{1: (2,)}", "{3}", "set()"])
def test_literals_are_read(text: str) -> None:
    result = answers.literal(text)
    assert (result.error, repr(result.value)) == ("", text)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 300 + "]" * 300,
        "[" * 30_000,
        "-" * 30_000 + "1",
        "(" * 90 + "1" + ")" * 90,
        "{[]: 1}",
        "{{}}",
        "9" * 60_000,
        "1+2j",
        "__import__('os')",
        "print(1)",
        "'\\d'",
        "f'{1}'",
        "lambda: 1",
        "x",
        "nan",
        "'a' if 1 else 2",
        "1_000",
        "'unclosed",
        "'\\U99999999'",
        "",
        "1 2",
        "(1)(2)",
        "[1][0]",
        "1,",
        "\x00",
        "...",
        "b'x'",
        "1" * 40 + "!",
        "'" + "\\x41" * 10_000 + "!",
    ],
)
def test_hostile_text(text: str) -> None:
    result = answers.literal(text)
    assert result.error.startswith("ValueError") or result.value in (1, (1,))


def test_infinity_is_a_literal() -> None:
    assert answers.literal("[1e999, -1e999]").value == [math.inf, -math.inf]


def answer(*records: tuple[int, str], ending: int = wire.FINISHED, status: int = 0, tail: bytes = b"") -> bytes:
    return wire.ENDING.pack(ending, status) + b"".join(wire.record(kind, text) for kind, text in records) + tail


def test_a_whole_answer() -> None:
    data = answer((wire.VALUE, "1"), (wire.RAISED, "E: x"), (wire.DONE, ""), (wire.ERROR, "SyntaxError: y"))
    assert answers.outcomes(data, [2, 5]) == [
        Outcome("ok", (CallResult(1), CallResult(error="E: x"))),
        Outcome("error", message="SyntaxError: y"),
    ]


@pytest.mark.parametrize(
    "data",
    [
        answer(),
        answer((wire.VALUE, "1")),
        answer((wire.DONE, "")),
        answer((wire.VALUE, "1"), (wire.VALUE, "1"), (wire.DONE, "")),
        answer((wire.VALUE, "1"), (wire.DONE, ""), tail=b"x"),
        answer((wire.VALUE, "1"), (wire.DONE, ""))[:-1],
        answer((wire.RAISED, ""), (wire.DONE, "")),
        answer((17, "1"), (wire.DONE, "")),
        answer(tail=wire.RECORD.pack(wire.VALUE, 0xFFFFFFFF) + b"1"),
        answer(tail=wire.RECORD.pack(wire.VALUE, 1) + b"\xff" + wire.record(wire.DONE)),
    ],
)
def test_answers_that_make_no_sense(data: bytes) -> None:
    (outcome,) = answers.outcomes(data, [1]) or []
    assert (outcome.status, outcome.results) == ("died", ())
    assert answers.outcomes(data, [1, 1]) is None


@given(data=st.binary(max_size=80), calls=st.lists(st.integers(0, 3), min_size=1, max_size=3))
def test_any_bytes_give_outcomes(data: bytes, calls: list[int]) -> None:
    found: Any = answers.outcomes(wire.ENDING.pack(wire.FINISHED, 0) + data, calls)
    assert found is None or len(found) == len(calls)


@pytest.mark.parametrize("kind", [wire.MEMORY, wire.OUTPUT])
def test_a_group_with_a_failure_is_run_again(kind: int) -> None:
    assert answers.outcomes(answer((kind, "m")), [1]) is not None
    assert answers.outcomes(answer((wire.DONE, ""), (kind, "m")), [0, 1]) is None


@pytest.mark.parametrize(
    ("ending", "status", "expected"),
    [
        (wire.TIMEOUT, 9, "timeout"),
        (wire.FINISHED, 24, "timeout"),  # SIGXCPU
        (wire.OVERFLOW, 9, "output"),
        (wire.FINISHED, 9, "died"),
        (wire.FINISHED, 0, "died"),
    ],
)
def test_endings(ending: int, status: int, expected: str) -> None:
    (outcome,) = answers.outcomes(answer(ending=ending, status=status), [1]) or []
    assert outcome.status == expected
    assert outcome.message
