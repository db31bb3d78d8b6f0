"""Records of JSON lines, JSON, CSV and TSV, one at a time, and what is wrong with those that can't be used.

Files are streams of bytes and may be larger than memory; what is too long is passed over without being held. Whatever
is wrong with a record becomes a `Fault` in its place; what the stream itself raises goes through.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

EXCERPT = 2_000  # so much of what can't be used is kept for a person to look at
UNLIMITED = 1 << 60

_BLOCK = 1 << 20
_SAID = {"broken JSON": "is not valid JSON", "invalid UTF-8": "is not valid UTF-8"}
_LONGEST_TOKEN = 64  # characters; but for strings, and numbers that nobody writes
_SPACE = " \t\r\n"
_TSV_SAMPLE = 1 << 18  # bytes of a TSV file that tell whether its fields are quoted
_TSV_BEGINS = re.compile(r'(?:^|\t)"', re.MULTILINE)
_TSV_QUOTED = re.compile(r'(?:^|\t)"(?:[^"]|"")*"(?=\t|\r?\n|\Z)', re.MULTILINE)


@dataclass(frozen=True)
class Record:
    """A record: `number` is its line in JSON lines and tables, else its place, from 1.

    `value` is any JSON value, or the fields of a row of a table, a list of strings; `source` the beginning of what it
    was read from, where that is JSON.
    """

    number: int
    value: Any
    source: str | bytes = ""

    @property
    def excerpt(self) -> str:
        """The beginning of its text, for a person to look at."""
        return readable(self.source)


@dataclass(frozen=True)
class Fault:
    """Why there is no record: one of few reasons, to be counted, and what a person can see.

    `number` is as that of a Record; None: what follows in the file can't be read.
    """

    reason: str
    detail: str
    text: str = ""
    number: int | None = None

    def __str__(self) -> str:
        """The end of a sentence that begins with the place: "is not valid JSON: Expecting value"."""
        said = _SAID.get(self.reason, "can't be read")
        return f"{said}: {self.detail}"


def readable(excerpt: str | bytes) -> str:
    """The beginning of what may be anything, as text that a person can look at."""
    if isinstance(excerpt, bytes):
        data = excerpt[:EXCERPT]
    else:
        try:
            data = excerpt[:EXCERPT].encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:  # half a surrogate pair that no byte was made into
            data = excerpt[:EXCERPT].encode("utf-8", "backslashreplace")
    return data.decode("utf-8", "backslashreplace").replace("\0", "\\x00")


def parse(data: bytes, number: int | None = None) -> Record | Fault:
    """One JSON value, with or without a byte order mark."""
    try:
        return Record(number or 1, json.loads(data.decode("utf-8-sig")), data[:EXCERPT])
    except UnicodeDecodeError as error:
        return Fault("invalid UTF-8", f"{error.reason} at byte {error.start}", readable(data), number)
    except (ValueError, RecursionError) as error:
        return Fault("broken JSON", str(error), readable(data), number)


def json_lines(stream: BinaryIO, maximum: int = UNLIMITED) -> Iterator[Record | Fault]:
    """A JSON value a line; blank lines are passed over. A line over `maximum` bytes is a Fault."""
    number = 0
    while line := stream.readline(maximum + 1):
        number += 1
        if len(line) > maximum and not line.endswith(b"\n"):
            excerpt = readable(line)
            while line and not line.endswith(b"\n"):
                line = stream.readline(_BLOCK)
            yield Fault("line too long", f"over {maximum:,} bytes", excerpt, number)
        elif line.strip():
            yield parse(line, number)


def json_values(stream: BinaryIO, maximum: int) -> Iterator[Record | Fault]:
    """The values of a JSON array, or one value after another; none may have more than `maximum` characters.

    One value is held at a time. After a place that is no JSON reading goes on at the next line that begins as the first
    value's line did, with a brace behind as much space; where values don't stand on lines of their own, nothing after
    it can be read.
    """
    number = 0
    with io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape") as text:
        window = _Window(text, maximum)
        values = _values(window)
        while True:
            try:
                value, source, bad = next(values)
            except StopIteration:
                return
            except _BrokenError as error:
                if not window.resume():
                    yield Fault(error.reason, f"after record {number}: {error.detail}", error.text)
                    return
                number += 1
                yield Fault(error.reason, error.detail, error.text, number)
                values = _values(window, resumed=True)
            else:
                number += 1
                yield Fault("invalid UTF-8", bad, readable(source), number) if bad else Record(number, value, source)


def table(
    stream: BinaryIO, maximum: int, *, delimiter: str, quoted: bool = True, strict: bool = True
) -> Iterator[Record | Fault]:
    """The rows of CSV or TSV, the line of names too; empty ones are passed over. Reading goes on after a broken row.

    A line or a field over `maximum` characters is a Fault. `strict`: so is a row whose quotes don't fit; else its
    fields are what `csv` makes of them. Bytes that are no UTF-8 are half surrogate pairs in a field (PEP 383).
    """
    csv.field_size_limit(min(maximum, 1 << 31))
    options: dict[str, Any] = {"strict": strict} if quoted else {"quoting": csv.QUOTE_NONE}
    with io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
        lines = _Lines(text, maximum)
        reader = csv.reader(lines, delimiter=delimiter, **options)
        while True:
            try:
                row = next(reader, None)
            except csv.Error as error:
                reason = "too long" if "field limit" in str(error) else "broken row"
                yield Fault(reason, str(error), readable(lines.last), lines.number)
            except _LongLineError:
                yield Fault("line too long", f"over {maximum:,} characters", readable(lines.last), lines.number)
            else:
                if row is None:
                    return
                if row:
                    yield Record(lines.number, row)


def column_names(first: Record | Fault | None) -> list[str]:
    """The names in a table's first row. A name's second column is `name.1`, as pandas calls it, not in the first's
    place.
    """
    names: list[str] = []
    for name in first.value if isinstance(first, Record) else []:
        again = (f"{name}.{number}" for number in itertools.count(1))
        names.append(name if name not in names else next(one for one in again if one not in names))
    return names


def has_quotes(stream: BinaryIO) -> bool:
    """Whether fields of a TSV file that begin with a quote end with one. Many writers of TSV know no quotes."""
    sample = stream.read(_TSV_SAMPLE).decode("utf-8", "replace")
    closed = len(_TSV_QUOTED.findall(sample))
    return closed > 0 and len(_TSV_BEGINS.findall(sample)) - closed <= 1  # the last one may be cut off


class _LongLineError(Exception):
    """A line that is longer than allowed, which was skipped without holding it."""


class _Lines:
    """The lines of a table, none longer than `maximum` characters. Reading goes on after one that was; of the `last`
    the beginning is known.
    """

    def __init__(self, stream: io.TextIOWrapper, maximum: int) -> None:
        self._stream, self._maximum = stream, maximum
        self.number, self.last = 0, ""

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._stream.readline(self._maximum + 1)
        if not line:
            raise StopIteration
        self.number += 1
        self.last = line[:EXCERPT]
        if len(line) <= self._maximum or line.endswith(("\n", "\r")):
            return line
        while line and not line.endswith(("\n", "\r")):
            line = self._stream.readline(_BLOCK)
        raise _LongLineError


class _BrokenError(Exception):
    """Where reading JSON can't go on: a reason to be counted, a detail for a person, and what stands there."""

    def __init__(self, reason: str, detail: str, text: str = "") -> None:
        super().__init__(reason)
        self.reason, self.detail, self.text = reason, detail, readable(text)


class _Window:
    """A part of a text: values are taken off its beginning, and it is filled at its end."""

    def __init__(self, stream: io.TextIOWrapper, maximum: int) -> None:
        self._stream, self._maximum = stream, maximum
        self._held, self._at, self._ended = "", 0, False
        self._decoder = json.JSONDecoder()
        self._space = "\n"  # what was passed over before what comes next
        self._line: str | None = None  # what stands before the first value on its line, and how it begins
        self.array = False

    def _more(self) -> bool:
        block = self._stream.read(_BLOCK)
        self._held, self._at, self._ended = self._held[self._at :] + block, 0, not block
        return not self._ended

    def skip(self, character: str = "") -> bool:
        """Pass over space, then over `character` if it stands there; whether it did (without one: whether any does)."""
        while True:
            start = self._at
            while self._at < len(self._held) and self._held[self._at] in _SPACE:
                self._at += 1
            self._space = (self._space + self._held[start : self._at])[-_LONGEST_TOKEN:]
            if self._at < len(self._held):
                break
            if not self._more():
                return False
        if not self._held.startswith(character, self._at):
            return False
        if character:
            self._at, self._space = self._at + len(character), ""
        return True

    def value(self) -> tuple[object, str, str]:
        """The value that begins here, the beginning of its text, and what in it is no UTF-8, if anything is. Raises
        _BrokenError where there is none.
        """
        if self._line is None:
            _, newline, indent = self._space.rpartition("\n")
            self._line = f"{newline}{indent}{{" if newline else ""
        while True:
            try:
                value, end = self._decoder.raw_decode(self._held, self._at)
                why = ""
            except (ValueError, RecursionError) as error:
                value, end, why = None, len(self._held), str(error)
                if _is_final(error, end):
                    raise _BrokenError("broken JSON", why, self.rest()) from None
            if (why or end == len(self._held)) and end - self._at <= self._maximum and self._more():
                continue
            text = self.rest()
            if end - self._at > self._maximum:
                raise _BrokenError("too long", f"more than {self._maximum:,} characters without an end", text)
            if why:
                raise _BrokenError("broken JSON", why, text)
            start, self._at, self._space = self._at, end, ""
            return value, text, _not_utf8(self._held[start:end])

    def resume(self) -> bool:
        """Pass over everything up to the next line that begins as the first value's did; whether there is one."""
        if not self._line:
            return False
        at = self._held.find(self._line, self._at + 1)
        while at < 0:
            self._at = max(self._at, len(self._held) - len(self._line) + 1)
            if not self._more():
                return False
            at = self._held.find(self._line)
        self._at = at + len(self._line) - 1
        return True

    def rest(self) -> str:
        """The beginning of what follows."""
        return self._held[self._at : self._at + EXCERPT]


def _is_final(error: ValueError | RecursionError, end: int) -> bool:
    """Whether more text would not mend an error: it is not where the text that is there ends."""
    if not isinstance(error, json.JSONDecodeError):
        return True
    return error.pos < end - _LONGEST_TOKEN and not error.msg.startswith("Unterminated string")


def _not_utf8(text: str) -> str:
    """Where bytes stand in a JSON text that are no UTF-8; they became half surrogate pairs (PEP 383)."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        return f"byte 0x{ord(text[error.start]) & 0xFF:02X} at character {error.start}"
    return ""


def _values(text: _Window, resumed: bool = False) -> Iterator[tuple[object, str, str]]:
    text.array = text.array if resumed else text.skip("[")
    if not text.array:
        while text.skip():
            yield text.value()
        return
    if not resumed and text.skip("]"):
        return
    yield text.value()
    while text.skip(","):
        text.skip()
        yield text.value()
    if not text.skip("]"):
        raise _BrokenError("broken JSON", "neither a comma nor the end of the array", text.rest())
    if text.skip():
        raise _BrokenError("broken JSON", "something follows the array", text.rest())
