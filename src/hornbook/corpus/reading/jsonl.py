"""JSON lines: one document a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import BinaryIO

from hornbook.corpus.reading.items import EXCERPT, Bad, Raw, of_object, readable
from hornbook.corpus.reading.packed import PackedError, opened
from hornbook.corpus.settings import ReadSettings, Source
from hornbook.corpus.sources import Found

_BLOCK = 1 << 20


def jsonl(found: Found, source: Source, settings: ReadSettings) -> Iterator[Raw | Bad]:
    """The documents of a file, numbered by line from 1."""
    number = 0
    with opened(found) as stream:
        lines = _lines(stream, settings.maximum_line)
        while True:
            try:
                line = next(lines, b"")
            except PackedError as error:
                yield Bad(found.path, error.reason, f"after line {number}: {error.detail}")
                return
            if line == b"":
                break
            number += 1
            path = f"{found.path}:{number}"
            if line is None:
                yield Bad(path, "line too long", f"over {settings.maximum_line:,} bytes")
            elif line.strip():
                yield _record(line, path, source.column)
    if number == 0:
        yield Bad(found.path, "empty")


def _lines(stream: BinaryIO, maximum: int) -> Iterator[bytes | None]:
    """The lines of a file; `None` for one over `maximum` bytes, which is skipped without holding it."""
    while line := stream.readline(maximum + 1):
        if len(line) <= maximum or line.endswith(b"\n"):
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = stream.readline(_BLOCK)
        yield None


def _record(line: bytes, path: str, column: str | None) -> Raw | Bad:
    excerpt = readable(line[:EXCERPT])
    try:
        value = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        return Bad(path, "invalid UTF-8", f"{error.reason} at byte {error.start}", excerpt)
    except (ValueError, RecursionError) as error:
        return Bad(path, "broken JSON", str(error), excerpt)
    return of_object(value, path, column, excerpt)
