"""Runs one program and writes its record; happens in a process that is thrown away afterwards."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from . import literals, wire

# A program may replace builtins of the process it shares with this module, which therefore keeps a copy.
globals()["__builtins__"] = dict(vars(builtins))

Work = tuple[str, str, Sequence[bytes]]
"""Source, name of the function, packed arguments of each call."""

_MODULE = "program"
_MESSAGE_CHARACTERS = 500


def run(work: Work, output_bytes: int) -> bytes:
    """The records of one program: its results, then how it ended."""
    source, function, calls = work
    try:
        return _call(_load(source, function), calls, output_bytes)
    except MemoryError:
        return wire.record(wire.MEMORY, "MemoryError")
    except literals.TooLongError:
        return wire.record(wire.OUTPUT, f"the results need more than {output_bytes} bytes")
    except BaseException as error:  # whatever a program can raise: SystemExit and KeyboardInterrupt too
        return wire.record(wire.ERROR, _describe(error))
    finally:
        sys.modules.pop(_MODULE, None)


def _load(source: str, function: str) -> Callable[..., Any]:
    # A module of its own, because dataclasses, typing and pickle look a class's module up by name.
    module = ModuleType(_MODULE)
    sys.modules[_MODULE] = module
    exec(compile(source, f"<{_MODULE}>", "exec", dont_inherit=True), module.__dict__)
    target: object = module.__dict__.get(function)
    if not callable(target):
        raise NameError(f"the program defines no function {function!r}")
    return target


def _call(target: Callable[..., Any], calls: Sequence[bytes], room: int) -> bytes:
    records = []
    for packed in calls:
        kind = wire.VALUE
        try:
            text = literals.write(target(*wire.unpack(packed)), room)
        except (MemoryError, literals.TooLongError):
            raise
        except BaseException as error:
            kind, text = wire.RAISED, _describe(error)
        records.append(wire.record(kind, text))
        room -= len(records[-1])
        if room < 0:
            raise literals.TooLongError
    records.append(wire.record(wire.DONE))
    return b"".join(records)


def _describe(error: BaseException) -> str:
    """`Name: message`, although both may come from a class that lies, raises or never stops talking."""
    if type(error) is literals.NotLiteralError:
        return f"TypeError: {error}"
    name = type.__dict__["__name__"].__get__(type(error))
    try:
        return f"{name}: {error}"[:_MESSAGE_CHARACTERS]
    except BaseException:
        return f"{name}: (its message cannot be shown)"
