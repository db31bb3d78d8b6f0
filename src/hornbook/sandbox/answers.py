"""Reads what came out of the sandbox. Its writer may be an enemy: nothing here believes a byte."""

from __future__ import annotations

import ast
import json
import math
import os
import re
import signal
import struct
from typing import Any

from hornbook.sandbox.inside import wire
from hornbook.sandbox.inside.literals import MAX_DEPTH
from hornbook.sandbox.program import CallResult, Outcome, Status

# The tokens that `inside.literals` writes and no others: strings with their escapes, numbers, names, punctuation.
# Groups are atomic and repeats possessive, so that the time it takes is linear in the text.
_ESCAPE = r"""\\(?:[\\'"nrt]|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})"""
_LITERAL = re.compile(
    rf"""(?>'(?>[^'\\\n]|{_ESCAPE})*+'|"(?>[^"\\\n]|{_ESCAPE})*+"
    |-?[0-9]++(?>\.[0-9]++)?+(?>e[+-]?[0-9]++)?+|None|True|False|set\(\)|[\[\](){{}},:\ ])*+""",
    re.VERBOSE,
)

_NAMES = {"None": None, "True": True, "False": False}

# The first whole number that Python's own limit keeps from being written out.
_UNPRINTABLE = 10**4300

_ENDINGS: dict[int, Status] = {wire.ERROR: "error", wire.MEMORY: "memory", wire.OUTPUT: "output"}


def literal(text: str) -> CallResult:
    """The value that `text` spells, or an error when it spells none."""
    try:
        if not _LITERAL.fullmatch(text):
            raise ValueError("unexpected characters")
        return CallResult(value=_value(text))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
        return CallResult(error=f"ValueError: the result is no plain literal ({type(error).__name__})")


def _value(text: str) -> Any:
    """What the tokens of a literal spell. Most are JSON but for the quotes, which is read in a tenth of the time."""
    if text in _NAMES:
        return _NAMES[text]
    as_in_json = text.isascii() and text.isprintable() and not any(sign in text for sign in '"\\(')
    # Python and JSON give up at other depths, far beyond.
    if as_in_json and text.count("[") + text.count("{") <= MAX_DEPTH:
        try:
            return json.loads(text.replace("'", '"'))
        except ValueError:
            pass
    return ast.literal_eval(text)


def outcomes(answer: bytes, calls: list[int]) -> list[Outcome] | None:
    """The outcome of each program of a group, given how many calls each had.

    None when the answer of a group of several is not perfect in every way: then each is to be run alone.
    """
    ending, status = wire.ENDING.unpack_from(answer)
    found = _parse(answer[wire.ENDING.size :], calls) if ending == wire.FINISHED else None
    if found is not None and (len(calls) == 1 or all(outcome.status in ("ok", "error") for outcome in found)):
        return found
    return None if len(calls) > 1 else [_failure(ending, status)]


def _failure(ending: int, status: int) -> Outcome:
    code = os.waitstatus_to_exitcode(status)
    if ending == wire.TIMEOUT or code == -signal.SIGXCPU:
        return Outcome("timeout", message="no answer within the time allowed")
    if ending == wire.OVERFLOW:
        return Outcome("output", message="more was written than is allowed")
    if code < 0:
        return Outcome("died", message=f"ended by signal {-code} before it had answered")
    return Outcome("died", message=f"ended with exit code {code} before it had answered")


def _parse(data: bytes, calls: list[int]) -> list[Outcome] | None:
    """All records of a group; None when there is one too many, one too few, or one that makes no sense."""
    try:
        found, position = [], 0
        for count in calls:
            outcome, position = _parse_program(data, position, count)
            found.append(outcome)
    except (struct.error, ValueError):
        return None
    return found if position == len(data) else None


def _parse_program(data: bytes, position: int, count: int) -> tuple[Outcome, int]:
    results: list[CallResult] = []
    while True:
        kind, length = wire.RECORD.unpack_from(data, position)
        position += wire.RECORD.size + length
        if position > len(data):
            raise ValueError("a record is cut short")
        text = data[position - length : position].decode("utf-8")
        if kind in _ENDINGS:
            return Outcome(_ENDINGS[kind], message=text), position
        if kind == wire.DONE and len(results) == count:
            return Outcome("ok", tuple(results)), position
        if len(results) == count:
            raise ValueError("more results than calls")
        results.append(_result(kind, text))


def _result(kind: int, text: str) -> CallResult:
    if kind == wire.VALUE:
        return literal(text)
    if kind == wire.RAISED and text:
        return CallResult(error=text)
    raise ValueError("an unknown kind of record")


def check_argument(value: Any, depth: int = 0) -> None:
    """Raise TypeError or ValueError unless `value` is a plain literal: programs get nothing else."""
    kind = type(value)
    if value is None or kind in (bool, str):
        return
    if kind is int:
        if not -_UNPRINTABLE < value < _UNPRINTABLE:
            raise ValueError("an argument must not hold a whole number of more than 4,300 digits")
    elif kind is float:
        if math.isnan(value):
            raise ValueError("an argument must not hold nan")
    elif kind in (list, tuple, set, dict) and depth < MAX_DEPTH:
        for item in value:
            check_argument(item, depth + 1)
        if kind is dict:
            for item in value.values():
                check_argument(item, depth + 1)
    else:
        raise TypeError(f"an argument must be a plain literal, not hold a {kind.__name__} (nor {MAX_DEPTH} levels)")
