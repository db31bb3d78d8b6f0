from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hornbook.sandbox.program import CallResult, Outcome
from hornbook.sandbox.sandbox import Sandbox, isolation
from hornbook.teacher.checks import cases_of, check, complaint, complaints, rejected_is_wrong
from hornbook.teacher.interface import Case, Exercise, Preference, Trial
from hornbook.teacher.kinds.draws import Drawn
from hornbook.teacher.kinds.rows import Written, written
from hornbook.teacher.kinds.template import load
from hornbook.teacher.producer import UnusableError

STORIES, EXERCISES, MATHEMATICS, PAIRS = (load(name) for name in ("stories", "exercises", "mathematics", "preferences"))
WORDS = {"verb": "run", "noun": "dog", "adjective": "red", "features": ""}
GOOD = "The red dog ran. " * 20


def story(text: str) -> Written:
    return written(STORIES, Drawn(0, WORDS), text, 1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (GOOD, ""),
        ("", "empty"),
        ("The red dog ran.", "too short: 16 characters"),
        ("The red cat ran. " * 20, "missing word: dog"),
        ("The dog ran. " * 20, "missing word: red"),
        (GOOD + "As an AI, I can not run.", "unwanted phrase: as an AI"),
    ],
)
def test_texts(text: str, reason: str) -> None:
    assert complaints(STORIES, [story(text)], None) == [reason]


def test_pairs_must_differ() -> None:
    same = written(PAIRS, Drawn(0, {}), {"request": "Q", "better": "A", "worse": "A"}, 1)
    assert complaints(PAIRS, [same], None)[0].startswith("no difference")


@pytest.fixture(scope="module")
def sandbox() -> Any:
    with Sandbox(allow_unisolated=not isolation().isolated) as made:
        yield made


def exercise(code: str, examples: Any = (("(2,)", "4"), ("(3,)", "6"))) -> Written:
    shown = [{"arguments": arguments, "value": value} for arguments, value in examples]
    return written(EXERCISES, Drawn(0, {"name": "double"}), {"code": code, "examples": shown}, 1)


DOUBLE = 'def double(x):\n    """Return twice x."""\n    return 2 * x\n'


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (exercise(DOUBLE), ""),
        (exercise(DOUBLE.replace("2 * x", "2 * x + 1")), "failed its check: (2,) gave 5 where 4 is right"),
        (exercise(DOUBLE.replace("2 * x", "1 / 0")), "failed its check: (2,) raised ZeroDivisionError"),
        (exercise(DOUBLE.replace("return 2 * x", "while True: pass")), "failed its check: timeout"),
        (exercise(DOUBLE.replace("def", "dfe")), "not valid Python"),
        (exercise(DOUBLE.replace("double", "triple")), "not as asked: the code is not one function double"),
        (exercise(DOUBLE + "print(double(2))\n"), "not as asked"),
        (exercise("def double(x):\n    return 2 * x\n"), "not as asked: double has no docstring"),
        (exercise(DOUBLE, [("(2,)", "4"), ("(2,)", "4")]), "example repeated"),
        (exercise(DOUBLE, [("2", "4")]), "example is no tuple"),
        (exercise(DOUBLE, [("(x,)", "4")]), "example is no literal"),
        (exercise(DOUBLE, [("(b'a',)", "4")]), "example is no plain literal"),
    ],
)  # fmt: skip
def test_functions_are_run(row: Written, reason: str, sandbox: Any) -> None:
    found = complaints(EXERCISES, [row], sandbox)[0]
    assert found.startswith(reason)
    assert bool(found) == bool(reason)


@pytest.mark.parametrize(
    ("code", "result", "reason"),
    [
        ("def solution():\n    return 6 * 7\n", 42, ""),
        ("def solution():\n    return 84 / 2\n", 42, ""),
        ("import math\ndef solution():\n    return math.sqrt(4)\n", 2.0000000001, ""),
        ("def solution():\n    return 41\n", 42, "failed its check: solution() gave 41 where 42 was announced"),
        ("def solution():\n    return '42'\n", 42, "failed its check: solution() gave '42', which is no number"),
        ("def solution():\n    return True\n", 1, "failed its check: solution() gave True"),
        ("def solution():\n    return 1e999\n", 1, "failed its check"),
        ("def solution(x):\n    return x\n", 42, "not as asked: solution() takes no parameters"),
        ("def solve():\n    return 42\n", 42, "not as asked"),
    ],
)
def test_programs_are_executed(code: str, result: float, reason: str, sandbox: Any) -> None:
    value = {"question": "How many? " * 20, "reasoning": "r", "result": result, "code": code}
    row = written(MATHEMATICS, Drawn(0, {}), value, 1)
    found = complaints(MATHEMATICS, [row], sandbox)[0]
    assert found.startswith(reason)
    assert bool(found) == bool(reason)


def test_cases() -> None:
    (case,) = cases_of([{"arguments": " ([1, 2], 'a') ", "value": "{'a': (1, 2)}"}])
    assert (case.arguments, case.expected) == (([1, 2], "a"), {"a": (1, 2)})
    with pytest.raises(UnusableError):
        cases_of([{"arguments": "(" * 2000, "value": "1"}])


def test_complaints() -> None:
    cases = (Case((1,), 2), Case((2,), 3))
    right = Outcome("ok", (CallResult(2), CallResult(3)))
    assert complaint(right, cases) == ""
    assert "gave 4" in complaint(Outcome("ok", (CallResult(2), CallResult(4))), cases)
    assert "ValueError" in complaint(Outcome("ok", (CallResult(2), CallResult(error="ValueError: no"))), cases)
    assert complaint(Outcome("timeout"), cases) == "timeout"
    assert complaint(Outcome("ok", (CallResult(2),)), cases) == "1 results for 2 calls"


def function(body: str) -> Exercise:
    text = f'def f(n):\n    """Return n plus 1."""\n{body}'
    return Exercise(
        "f", ("n",), "Return n plus 1.", "n plus 1", body, text, "x", "x/y", (Case((1,), 2), Case((-1,), 0)), {}
    )


def test_the_sandbox_tells_right_from_wrong() -> None:
    right, wrong, broken = function("    return n + 1\n"), function("    return n + 2\n"), function("    return (\n")
    with Sandbox(allow_unisolated=True) as sandbox:
        verdicts = list(check([right, wrong, broken, right], sandbox))
    assert verdicts[0] == verdicts[3] == ""
    assert "gave 3" in verdicts[1]
    assert verdicts[2].startswith("error")


def test_a_rejected_body_must_fail() -> None:
    right, wrong = function("    return n + 1\n"), function("    return n + 2\n")
    pairs = [
        Preference("", "", "chat", trial=Trial(wrong.text, "f", wrong.cases)),
        Preference("", "", "refusal"),
        Preference("", "", "chat", trial=Trial(right.text, "f", right.cases)),
    ]
    with Sandbox(allow_unisolated=True) as sandbox:
        assert rejected_is_wrong(pairs, sandbox) == [True, True, False]


def test_an_exercise_with_other_cases_fails() -> None:
    exercise = replace(function("    return n + 1\n"), cases=(Case((1,), 2.0),))
    with Sandbox(allow_unisolated=True) as sandbox:
        (verdict,) = check([exercise], sandbox)
    assert verdict
