"""A benchmark's own test code and the program that it judges, each in processes of its own.

The tests run with a stand-in for the function: at the first call that it has no answer to, it tells what is asked.
The program is called with that, in another process, and what comes back, a plain value, is the stand-in's answer when
the tests run again from the start. So no program ever meets an expected value, or the code that decides, and none of
its methods is asked whether two values are equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hornbook.sandbox.program import Outcome, Program
from hornbook.sandbox.sandbox import Sandbox

_MOST_CALLS = 500
_ASK, _ANSWER = "hornbook_tests", "hornbook_answer"

# Appended to the benchmark's own code. `checks` defines a function check(candidate), or makes its asserts as it is run.
_STAND_IN = """

def hornbook_tests(checks, entry, known):
    import builtins
    class Asked(BaseException):
        pass
    answers, asked = iter(known), []
    def candidate(*arguments, **named):
        for call, raised, answer in answers:
            if call != (arguments, named):
                raise RuntimeError("the tests do not ask the same twice")
            if raised:
                name, _, message = answer.partition(": ")
                kind = getattr(builtins, name, None)
                raise (kind if isinstance(kind, type) and issubclass(kind, Exception) else RuntimeError)(message)
            return answer
        asked.append((arguments, named))
        raise Asked
    names = globals()
    names.pop("check", None)
    names[entry] = candidate
    try:
        exec(checks, names)
        if names.get("check", candidate) is not candidate:
            names["check"](candidate)
    except BaseException:
        if not asked:
            raise
    return asked[0] if asked else None
"""

# Appended to the program. What is nearly a plain value becomes one: `Counter` is equal to a dict in an assert, too.
_PLAINLY = """

def hornbook_answer(arguments, named):
    def plain(value):
        if isinstance(value, dict):
            return {{plain(key): plain(part) for key, part in value.items()}}
        for kind in (list, tuple):
            if isinstance(value, kind):
                return kind(plain(part) for part in value)
        if isinstance(value, (set, frozenset)):
            return {{plain(part) for part in value}}
        for kind in (bool, int, float, str):
            if isinstance(value, kind):
                return kind(value)
        return value
    return plain({entry}(*arguments, **named))
"""


@dataclass(frozen=True)
class Checks:
    """`text` is Python that fails when the function `entry` is wrong; `code` is what it may use beside, such as the
    benchmark's own solution.
    """

    code: str
    entry: str
    text: str


def judge(sandbox: Sandbox, checks: Checks, program: str) -> str:
    """What is wrong with a program that defines `checks.entry`, in one line; empty when the tests pass.

    Every call gets copies of its arguments, in a fresh process: what a program changes in them, or remembers from call
    to call, the tests don't see.
    """
    known: list[tuple[Any, bool, Any]] = []
    while len(known) < _MOST_CALLS:
        asked = Program(checks.code + _STAND_IN, _ASK, ((checks.text, checks.entry, known),))
        call, wrong = _value(_run(sandbox, asked))
        if wrong:
            return f"the tests fail: {wrong}"
        if call is None:
            return "" if known else "the tests ask nothing"
        answered = Program(program + _PLAINLY.format(entry=checks.entry), _ANSWER, (call,))
        outcome = _run(sandbox, answered)
        if outcome.status != "ok":
            return _value(outcome)[1]
        (result,) = outcome.results
        known.append((call, bool(result.error), result.error or result.value))
    return f"the tests make more than {_MOST_CALLS} calls"


def _run(sandbox: Sandbox, program: Program) -> Outcome:
    try:
        return next(sandbox.run([program]))
    except (TypeError, ValueError) as error:  # what came out is too deep to go in again
        return Outcome("error", message=str(error))


def _value(outcome: Outcome) -> tuple[Any, str]:
    """What the one call came to, or what was wrong."""
    if outcome.status != "ok":
        return None, f"{outcome.status}: {outcome.message}".rstrip(": ")
    return outcome.results[0].value, outcome.results[0].error
