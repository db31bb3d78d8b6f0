"""Plain values as Python literals: the only form in which a result leaves the sandbox."""

from __future__ import annotations

import builtins
import math
from collections.abc import Iterable
from typing import Any

# A program may replace builtins of the process it shares with this module, which therefore keeps a copy.
globals()["__builtins__"] = dict(vars(builtins))

MAX_DEPTH = 64
_INFINITY = float("inf")


class NotLiteralError(Exception):
    """The value is, or holds, something that has no plain literal."""


class TooLongError(Exception):
    """The literal is longer than there is room for."""


def write(value: Any, room: int) -> str:
    """The literal of `value` in at most `room` characters, such that `ast.literal_eval` gives an equal value.

    Only the exact types count, never a subclass, so no method of the program's own is asked for its opinion.
    Raises NotLiteralError, TooLongError, or ValueError for an integer of more digits than Python prints.
    """
    pieces: list[str] = []
    _Writer(pieces, room).put(value, 0)
    return "".join(pieces)


class _Writer:
    def __init__(self, pieces: list[str], room: int) -> None:
        self._pieces = pieces
        self._room = room

    def put(self, value: Any, depth: int) -> None:
        kind = type(value)
        if kind is int or kind is bool or value is None:
            self._emit(repr(value))
        elif kind is str:
            if len(value) > self._room:  # before a copy of it is made
                raise TooLongError
            self._emit(repr(value))
        elif kind is float:
            self._put_float(value)
        elif depth >= MAX_DEPTH:
            raise NotLiteralError(f"the result is nested deeper than {MAX_DEPTH} levels")
        elif kind is list:
            self._put_items("[", value, "]", depth)
        elif kind is tuple:
            self._put_items("(", value, ",)" if len(value) == 1 else ")", depth)
        elif kind is set:
            self._put_items("{", value, "}", depth) if value else self._emit("set()")
        elif kind is dict:
            self._put_dict(value, depth)
        else:
            raise NotLiteralError(
                f"the result is no plain literal but holds a {type.__dict__['__name__'].__get__(kind)}"
            )

    def _emit(self, text: str) -> None:
        self._room -= len(text)
        if self._room < 0:
            raise TooLongError
        self._pieces.append(text)

    def _put_float(self, value: float) -> None:
        if math.isnan(value):
            raise NotLiteralError("the result is no plain literal but holds nan")
        if value in (_INFINITY, -_INFINITY):
            self._emit("1e999" if value > 0 else "-1e999")
        else:
            self._emit(repr(value))

    def _put_items(self, opening: str, items: Iterable[Any], closing: str, depth: int) -> None:
        self._emit(opening)
        for number, item in enumerate(items):
            if number:
                self._emit(", ")
            self.put(item, depth + 1)
        self._emit(closing)

    def _put_dict(self, items: dict[Any, Any], depth: int) -> None:
        self._emit("{")
        for number, (key, item) in enumerate(items.items()):
            if number:
                self._emit(", ")
            self.put(key, depth + 1)
            self._emit(": ")
            self.put(item, depth + 1)
        self._emit("}")
