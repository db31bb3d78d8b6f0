"""Plain text, Markdown and source code: one document a file."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from typing import BinaryIO

from hornbook.corpus.read.charset import opened_text, text_encoding
from hornbook.corpus.read.chunking import Kind
from hornbook.corpus.read.compression import CompressionError, opened
from hornbook.corpus.read.kinds import CODE, Found, ending
from hornbook.corpus.read.raw import Bad, Raw
from hornbook.corpus.read.settings import ReadSettings, Source
from hornbook.corpus.read.sources import STANDARD_LIBRARY
from hornbook.records import EXCERPT, readable

_BLOCK = 1 << 20
_AROUND = 8_192  # bytes before and behind a byte that is no UTF-8, which tell what else it is


class _UnusableError(Exception):
    """Why a text file gives no document: a reason to be counted, and a detail for a person."""

    def __init__(self, reason: str, detail: str = "", offset: int | None = None) -> None:
        """`offset` is the first byte that is no UTF-8 and is not the last of the file."""
        super().__init__(reason)
        self.reason, self.detail, self.offset = reason, detail, offset


def text(found: Found, source: Source, settings: ReadSettings) -> Iterator[Raw | Bad]:
    """The file's text in blocks, after it was read through once for what would make it unusable."""
    whole = None if source.split else settings.maximum_line
    encoding: str | None = None
    try:
        try:
            with opened_text(found) as stream:
                _examine(stream, settings.maximum_line, whole)
        except _UnusableError as why:
            # What in the standard library is no UTF-8 is there to try programs that meet it.
            if why.offset is None or source.path == STANDARD_LIBRARY:
                raise
            encoding = _encoding(found, why.offset)
            if encoding is None:
                raise
            with opened_text(found, encoding) as stream:
                _examine(stream, settings.maximum_line, whole)
    except (_UnusableError, CompressionError) as why:
        yield Bad(found.path, why.reason, why.detail, _beginning(found))
        return
    yield Raw(found.path, _blocks(found, encoding), _kind(found.path))


def _encoding(found: Found, offset: int) -> str | None:
    """The encoding of a text, by what stands around the first byte of it that is no UTF-8."""
    with opened(found) as stream:
        left = max(0, offset - _AROUND)
        while left:
            left -= len(stream.read(min(left, _BLOCK))) or left
        return text_encoding(stream.read(2 * _AROUND))


def _kind(path: str) -> Kind:
    suffix = ending(path)[0]
    if suffix == ".py":
        return "python"
    return "code" if suffix in CODE else "prose"


def _blocks(found: Found, encoding: str | None) -> Iterator[str]:
    """A text file in blocks, with all line ends as \\n and without a byte order mark."""
    with opened_text(found, encoding) as content, io.TextIOWrapper(content, encoding="utf-8-sig") as stream:
        while block := stream.read(_BLOCK):
            yield block


def _beginning(found: Found) -> str:
    try:
        with opened(found) as stream:
            return readable(stream.read(EXCERPT))
    except CompressionError:
        return ""


def _examine(stream: BinaryIO, maximum_line: int, maximum_file: int | None) -> None:
    """Read a text file through once for what would make it unusable, so that no half of it becomes documents."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    size, number, line, blank = 0, 1, 0, True
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
        place = offset + error.start
        cut = error.reason == "unexpected end of data"
        raise _UnusableError("invalid UTF-8", f"{error.reason} at byte {place}", None if cut else place) from None
