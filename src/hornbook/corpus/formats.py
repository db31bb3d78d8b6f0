"""From a file to the documents in it, in bounded memory. What can't be read becomes a `Bad`, never an exception."""

from __future__ import annotations

import codecs
import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from hornbook.corpus.pieces import Kind
from hornbook.corpus.settings import ReadSettings, Source
from hornbook.corpus.sources import Found, suffix

_BLOCK = 1 << 20
_BATCH = 64
_EXCERPT = 2_000


@dataclass(frozen=True)
class Raw:
    """A document as it was found: its path within the source, and its text in blocks."""

    path: str
    blocks: Iterable[str]
    kind: Kind = "prose"


@dataclass(frozen=True)
class Bad:
    """Something that gave no document: where, why (one of few reasons, to be counted), and what a person can see."""

    path: str
    reason: str
    detail: str = ""
    text: str = ""


def documents(found: Found, source: Source, settings: ReadSettings) -> Iterator[Raw | Bad]:
    """The documents of one file. Records of .jsonl are numbered by line and those of .parquet by row, both from 1."""
    kind = suffix(found.path)
    try:
        if kind == ".parquet":
            yield from _parquet(found, source, settings)
        elif kind.startswith(".jsonl"):
            yield from _jsonl(found, source, settings)
        else:
            yield from _text(found, source, settings)
    except OSError as error:
        yield Bad(found.path, "unreadable", error.strerror or str(error))


class _UnusableError(Exception):
    """Why a text file gives no document: a reason to be counted, and a detail for a person."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail


def _text(found: Found, source: Source, settings: ReadSettings) -> Iterator[Raw | Bad]:
    try:
        _examine(found.file, settings.maximum_line, None if source.split else settings.maximum_line)
    except _UnusableError as why:
        yield Bad(found.path, why.reason, why.detail, _beginning(found.file))
        return
    yield Raw(found.path, _blocks(found.file), "python" if suffix(found.path) == ".py" else "prose")


def _blocks(file: Path) -> Iterator[str]:
    """A text file in blocks, with all line ends as \\n and without a byte order mark."""
    with file.open(encoding="utf-8-sig") as stream:
        while block := stream.read(_BLOCK):
            yield block


def _beginning(file: Path) -> str:
    with file.open("rb") as stream:
        return _readable(stream.read(_EXCERPT))


def _readable(excerpt: bytes) -> str:
    """Bytes that may be anything, as text that a person can look at."""
    return excerpt.decode("utf-8", "backslashreplace").replace("\0", "\\x00")


def _examine(file: Path, maximum_line: int, maximum_file: int | None) -> None:
    """Read a text file through once for what would make it unusable, so that no half of it becomes documents."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    size, number, line, blank = 0, 1, 0, True
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK):
            if b"\0" in block:
                raise _UnusableError("NUL bytes", f"at byte {size + block.index(0)}")
            blank = not _decode(decoder, block, size).strip("\ufeff \t\r\n\f\v") and blank
            size += len(block)
            if maximum_file is not None and size > maximum_file:
                raise _UnusableError("too long", f"more than {maximum_file:,} bytes")
            for index, part in enumerate(block.split(b"\n")):
                number, line = (number + 1, len(part)) if index else (number, line + len(part))
                if line > maximum_line:
                    raise _UnusableError("line too long", f"line {number}: over {maximum_line:,} bytes")
    _decode(decoder, b"", size, final=True)
    if blank:
        raise _UnusableError("only whitespace" if size else "empty")


def _decode(decoder: codecs.IncrementalDecoder, block: bytes, offset: int, final: bool = False) -> str:
    offset -= len(decoder.getstate()[0])  # bytes of a character that the last block began
    try:
        return decoder.decode(block, final)
    except UnicodeDecodeError as error:
        raise _UnusableError("invalid UTF-8", f"{error.reason} at byte {offset + error.start}") from None


def _jsonl(found: Found, source: Source, settings: ReadSettings) -> Iterator[Raw | Bad]:
    packed = suffix(found.path) == ".jsonl.gz"
    number = 0
    with found.file.open("rb") as file:
        stream = io.BufferedReader(gzip.GzipFile(fileobj=file)) if packed else file
        lines = _lines(stream, settings.maximum_line)
        while True:
            try:
                line = next(lines, b"")
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                yield Bad(found.path, "corrupt gzip", f"after line {number}: {error}")
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


def _lines(stream: BinaryIO | io.BufferedReader, maximum: int) -> Iterator[bytes | None]:
    """The lines of a file; `None` for one over `maximum` bytes, which is skipped without holding it."""
    while line := stream.readline(maximum + 1):
        if len(line) <= maximum or line.endswith(b"\n"):
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = stream.readline(_BLOCK)
        yield None


def _record(line: bytes, path: str, column: str | None) -> Raw | Bad:
    excerpt = _readable(line[:_EXCERPT])
    try:
        value = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        return Bad(path, "invalid UTF-8", f"{error.reason} at byte {error.start}", excerpt)
    except (ValueError, RecursionError) as error:
        return Bad(path, "broken JSON", str(error), excerpt)
    if not isinstance(value, dict):
        return Bad(path, "broken JSON", "not an object", excerpt)
    name = _column(column, value)
    if name is None:
        return Bad(path, "no text", f"no column {column or 'text or content'}", excerpt)
    return _checked(value[name], path)


def _parquet(found: Found, source: Source, settings: ReadSettings) -> Iterator[Raw | Bad]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(found.file)
    except PermissionError:
        raise
    except (pa.ArrowException, OSError) as error:
        yield Bad(found.path, "corrupt parquet", _first_line(error))
        return
    with file:
        name = _column(source.column, file.schema_arrow.names)
        if name is None:
            yield Bad(found.path, "no text", f"no column {source.column or 'text or content'}")
            return
        row = 0
        for group in range(file.num_row_groups):
            try:
                yield from _row_group(file, group, name, f"{found.path}:", row, settings.maximum_line)
            except (pa.ArrowException, OSError) as error:
                yield Bad(found.path, "corrupt parquet", f"row group {group + 1}: {_first_line(error)}")
            row += file.metadata.row_group(group).num_rows
        if row == 0:
            yield Bad(found.path, "empty")


def _row_group(file: Any, group: int, name: str, prefix: str, row: int, maximum: int) -> Iterator[Raw | Bad]:
    for batch in file.iter_batches(_BATCH, row_groups=[group], columns=[name], use_threads=False):
        for value in batch.column(0):
            row += 1
            try:
                text = value.as_py()
            except UnicodeDecodeError as error:
                yield Bad(f"{prefix}{row}", "invalid UTF-8", f"{error.reason} at byte {error.start}")
                continue
            if isinstance(text, str) and len(text) > maximum:
                yield Bad(f"{prefix}{row}", "too long", f"more than {maximum:,} characters", text[:_EXCERPT])
            else:
                yield _checked(text, f"{prefix}{row}")


def _column(wanted: str | None, names: Iterable[str]) -> str | None:
    """The column that holds the text: the one asked for, else `text`, else `content`."""
    candidates = [wanted] if wanted else ["text", "content"]
    present = set(names)
    return next((name for name in candidates if name in present), None)


def _checked(text: object, path: str) -> Raw | Bad:
    """A record's text as a document, if it is one."""
    if not isinstance(text, str):
        return Bad(path, "no text", f"{type(text).__name__} where text should be")
    if not text:
        return Bad(path, "empty")
    if not text.strip():
        return Bad(path, "only whitespace")
    if "\0" in text:
        return Bad(path, "NUL bytes", f"at character {text.index(chr(0))}", text[:_EXCERPT].replace("\0", "\\x00"))
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        excerpt = text[:_EXCERPT].encode("utf-8", "backslashreplace").decode("utf-8")
        return Bad(path, "invalid Unicode", f"half of a surrogate pair at character {error.start}", excerpt)
    return Raw(path, (text,))


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]
