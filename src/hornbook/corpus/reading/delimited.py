"""CSV and TSV files with a line of names: one document a row."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import Any

from hornbook.corpus.reading.items import EXCERPT, Bad, Raw, checked, text_column
from hornbook.corpus.reading.packed import PackedError, opened
from hornbook.corpus.settings import ReadSettings, Source
from hornbook.corpus.sources import Found, ending

_BLOCK = 1 << 20
_SAMPLE = 1 << 18  # bytes of a TSV file that tell whether its fields are quoted
_BEGINS = re.compile(r'(?:^|\t)"', re.MULTILINE)
_QUOTED = re.compile(r'(?:^|\t)"(?:[^"]|"")*"(?=\t|\r?\n|\Z)', re.MULTILINE)
_NO_UTF8 = re.compile("[\udc80-\udcff]")  # what `surrogateescape` makes of bytes that are none


class _LongLineError(Exception):
    """A line that is longer than allowed, which was skipped without holding it."""


def delimited(found: Found, source: Source, settings: ReadSettings) -> Iterator[Raw | Bad]:
    """The documents of a file, numbered by row from 1, the line of names not counted."""
    number = 0
    csv.field_size_limit(settings.maximum_line)
    try:
        comma = ending(found.path)[0] == ".csv"
        quoted = comma or _is_quoted(found)
        stream = io.TextIOWrapper(opened(found), encoding="utf-8-sig", errors="surrogateescape", newline="")
        with stream:
            rows = _rows(_Lines(stream, settings.maximum_line), "," if comma else "\t", quoted)
            names = next(rows, None)
            if names is None:
                yield Bad(found.path, "empty")
                return
            name = text_column(source.column, names) if isinstance(names, list) else None
            if name is None:
                yield Bad(found.path, "no text", f"no column {source.column or 'text or content'} in its first line")
                return
            for row in rows:
                number += 1
                path = f"{found.path}:{number}"
                if isinstance(row, tuple):
                    yield Bad(path, *row)
                elif len(row) != len(names):
                    text = "\t".join(row)[:EXCERPT].replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()
                    yield Bad(path, "broken row", f"{len(row)} fields under {len(names)} names", text)
                else:
                    yield _document(row[names.index(name)], path)
    except PackedError as error:
        yield Bad(found.path, error.reason, f"after row {number}: {error.detail}")
        return
    if number == 0:
        yield Bad(found.path, "empty")


def _document(text: str, path: str) -> Raw | Bad:
    damaged = _NO_UTF8.search(text)
    if damaged is None:
        return checked(text.replace("\r\n", "\n"), path)
    excerpt = text[:EXCERPT].replace("\0", "\\x00").encode("utf-8", "surrogateescape")
    return Bad(path, "invalid UTF-8", f"at character {damaged.start()}", excerpt.decode("utf-8", "backslashreplace"))


def _rows(lines: _Lines, delimiter: str, quoted: bool) -> Iterator[list[str] | tuple[str, str]]:
    """The rows that are not empty, and for one that can't be read (reason, detail)."""
    options: dict[str, Any] = {"strict": True} if quoted else {"quoting": csv.QUOTE_NONE}
    reader = csv.reader(lines, delimiter=delimiter, **options)
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            yield ("too long" if "field limit" in str(error) else "broken row"), str(error)
        except _LongLineError:
            yield "line too long", "skipped"
        else:
            if row is None:
                return
            if row:
                yield row


class _Lines:
    """The lines of a file, none longer than `maximum` characters. Reading goes on after one that was."""

    def __init__(self, stream: io.TextIOWrapper, maximum: int) -> None:
        self._stream, self._maximum = stream, maximum

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._stream.readline(self._maximum + 1)
        if not line:
            raise StopIteration
        if len(line) <= self._maximum or line.endswith(("\n", "\r")):
            return line
        while line and not line.endswith(("\n", "\r")):
            line = self._stream.readline(_BLOCK)
        raise _LongLineError


def _is_quoted(found: Found) -> bool:
    """Whether fields of a TSV file that begin with a quote end with one. Many writers of TSV know no quotes."""
    with opened(found) as stream:
        sample = stream.read(_SAMPLE).decode("utf-8", "replace")
    closed = len(_QUOTED.findall(sample))
    return closed > 0 and len(_BEGINS.findall(sample)) - closed <= 1  # the last one may be cut off
