"""Records of web archives (WARC and WET, ISO 28500), damaged ones included.

A record says how long it is. Where that is wrong, or a stretch of the file is missing, the record ends where the next
one begins, and reading goes on there: `Damage` says that something was lost, and the records around it are whole.
Libraries for these files stop at the first damage instead, and take a record that was cut off for a whole one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO

from hornbook.corpus.read.compression import Unpacked, zstd_decoder
from hornbook.corpus.read.inflate import Gap, inflate
from hornbook.corpus.read.kinds import Found, ending

_BLOCK = 1 << 18
_HEAD = 1 << 16  # bytes that a record's headers may take
_MARK = b"WARC/"
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_DICTIONARY = b"\x5d\x2a\x4d\x18"  # the dictionary of a .warc.zst stands first, in a frame that zstd skips
_LARGEST_DICTIONARY = 1 << 27

_VERSION = re.compile(rb"WARC/\d+\.\d+[ \t]*\r?\n")
_NEXT_LINE = re.compile(rb"\nWARC/\d+\.\d+[ \t]*\r?\n")
_NEXT_RECORD = re.compile(rb"\n\r?\nWARC/\d+\.\d+[ \t]*\r?\n")
_LONGEST_NEXT = 64  # more than any match of the three takes
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_BETWEEN = b"\r\n"


@dataclass(frozen=True)
class Record:
    """One record: its number in the archive from 1, its headers by lower-case name, and what it holds."""

    number: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Damage:
    """Something was lost, or mended: what, in words."""

    detail: str


@dataclass(frozen=True)
class Oversize:
    """A record that is longer than allowed, which was skipped without holding it."""

    number: int
    headers: dict[str, str]


def records(found: Found, maximum: int) -> Iterator[Record | Damage | Oversize]:
    """The records of an archive, plain or packed; no more than one of at most `maximum` bytes is held at a time."""
    with found.open() as stream:
        yield from parse(_chunks(found, stream), maximum)


def parse(chunks: Iterable[bytes | Gap], maximum: int) -> Iterator[Record | Damage | Oversize]:
    """The records in a stream of bytes that may have gaps."""
    source = iter(chunks)
    number = 0
    while True:
        run = _Run(source)
        for item in _records(_Window(run), maximum, number):
            number = number if isinstance(item, Damage) else item.number
            yield item
        if run.gap is None:
            return
        yield Damage(run.gap.detail)


def _chunks(found: Found, stream: BinaryIO) -> Iterator[bytes | Gap]:
    """The archive's bytes, decompressed. How they are compressed is seen in its first bytes: names can be wrong."""
    compression = _compression(stream.read(_LONGEST_NEXT), ending(found.path)[1])
    stream.seek(0)
    if compression == ".gz":
        yield from inflate(stream, _MARK)
        return
    if not compression:
        yield from iter(lambda: stream.read(_BLOCK), b"")
        return
    try:
        dictionary = _dictionary(stream)
    except (ValueError, EOFError) as error:
        yield Gap(f"its dictionary can't be read: {error}")
        return
    whole = Unpacked(stream, compression, partial(zstd_decoder, dictionary) if dictionary else None)
    yield from iter(lambda: whole.read(_BLOCK) or b"", b"")
    if whole.damage is not None:
        yield Gap(whole.damage.detail)


def _dictionary(stream: BinaryIO) -> bytes | None:
    """What an archive's zstd frames are packed with, if it says so; it may be packed itself.

    Source: IIPC, "Zstandard compression of WARC files" 1.0. Raises ValueError or EOFError where it can't be read.
    """
    from backports import zstd

    head = stream.read(8)
    if not head.startswith(_DICTIONARY):
        stream.seek(0)
        return None
    size = int.from_bytes(head[4:], "little")
    if size > _LARGEST_DICTIONARY:
        raise ValueError(f"it has {size:,} bytes, more than {_LARGEST_DICTIONARY:,}")
    held = stream.read(size)
    if len(held) < size:
        raise EOFError("cut off")
    try:
        if held.startswith(_ZSTD):
            held = zstd_decoder().decompress(held, _LARGEST_DICTIONARY)
        zstd.ZstdDict(held)
    except zstd.ZstdError as error:
        raise ValueError(str(error)) from None
    return held


def _compression(beginning: bytes, named: str) -> str:
    if beginning.startswith(_GZIP):
        return ".gz"
    if beginning.startswith((_ZSTD, _DICTIONARY)):
        return ".zst"
    return "" if beginning.lstrip(_BETWEEN).startswith(_MARK) else named


class _Run:
    """The bytes up to the next gap, which is remembered; `None` when there are no more."""

    def __init__(self, chunks: Iterator[bytes | Gap]) -> None:
        self._chunks = chunks
        self.gap: Gap | None = None

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            if isinstance(chunk, Gap):
                self.gap = chunk
                return
            yield chunk


class _Window:
    """The part of a run that is looked at: filled at its end, dropped from its beginning."""

    def __init__(self, run: _Run) -> None:
        self._chunks = iter(run)
        self.held = bytearray()

    def need(self, size: int) -> bool:
        """Hold at least `size` bytes, if there are so many."""
        while len(self.held) < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                return False
            self.held += chunk
        return True

    def drop(self, size: int) -> None:
        del self.held[:size]

    def search(self, pattern: re.Pattern[bytes], start: int, maximum: int) -> int | None:
        """Where `pattern` first matches from `start` on, if within `maximum` bytes; else None."""
        looked = start
        while True:
            match = pattern.search(self.held, looked)
            if match is not None:
                return match.start() if match.start() - start <= maximum else None
            looked = max(start, len(self.held) - _LONGEST_NEXT)
            if looked - start > maximum or not self.need(len(self.held) + 1):
                return None

    def skip_to(self, pattern: re.Pattern[bytes], at_most: int | None = None) -> bool:
        """Drop all before the next match, or `at_most` bytes if the match is not before; whether anything is left."""
        left = at_most
        while True:
            match = pattern.search(self.held)
            size = match.start() if match is not None else max(0, len(self.held) - _LONGEST_NEXT)
            if left is not None and left <= size:
                self.drop(left)
                return self.need(1)
            self.drop(size)
            left = None if left is None else left - size
            if match is not None:
                return True
            if not self.need(len(self.held) + 1):
                self.drop(len(self.held))
                return False


def _records(window: _Window, maximum: int, number: int) -> Iterator[Record | Damage | Oversize]:
    """The records of a run without gaps."""
    while _to_content(window):
        window.need(_LONGEST_NEXT)
        if _VERSION.match(window.held) is None:
            yield Damage(f"no record where one should begin, after record {number}")
            if not window.skip_to(_NEXT_LINE):
                return
            continue
        number += 1
        end_of_head = window.search(_END_OF_HEAD, 0, _HEAD)
        if end_of_head is None:
            yield Damage(f"record {number} has no end to its headers")
            if not window.skip_to(_NEXT_LINE):
                return
            continue
        headers = _headers(bytes(window.held[:end_of_head]))
        body = _END_OF_HEAD.match(window.held, end_of_head)
        window.drop(body.end() if body else 0)
        yield from _body(window, headers, maximum, number)


def _to_content(window: _Window) -> bool:
    """Drop the empty lines between records; whether anything is left."""
    while window.need(1):
        if window.held[0] not in _BETWEEN:
            return True
        window.drop(len(window.held) - len(window.held.lstrip(_BETWEEN)))
    return False


def _headers(head: bytes) -> dict[str, str]:
    lines = head.decode("utf-8", "replace").splitlines()[1:]
    pairs = (line.partition(":") for line in lines)
    return {name.strip().lower(): value.strip() for name, colon, value in pairs if colon}


def _body(window: _Window, headers: dict[str, str], maximum: int, number: int) -> Iterator[Record | Damage | Oversize]:
    """Take what a record holds off the window."""
    said = headers.get("content-length", "")
    length = int(said) if said.isascii() and said.isdigit() and len(said) < 16 else None
    if length is not None and length > maximum:
        yield Oversize(number, headers)
        window.skip_to(_NEXT_RECORD, length)
        return
    if length is not None and window.need(length) and _record_follows(window, length):
        yield Record(number, headers, bytes(window.held[:length]))
        window.drop(length)
        return
    if _VERSION.match(window.held) is not None:  # what ended the headers was the end of the record
        yield Damage(f"record {number} has lost its end of headers")
        return
    end = window.search(_NEXT_RECORD, 0, maximum)
    if end is not None:
        yield Damage(f"record {number} is not as long as it says")
        yield Record(number, headers, bytes(window.held[:end]).rstrip(b"\r"))
        window.drop(end)
    elif window.need(maximum):
        yield Oversize(number, headers)
        window.skip_to(_NEXT_RECORD)
    else:
        yield Damage(f"record {number} is cut off")
        window.drop(len(window.held))


def _record_follows(window: _Window, at: int) -> bool:
    """Whether a record could end at this place: after empty lines there is another one, or nothing more."""
    window.need(at + _LONGEST_NEXT)
    rest = window.held[at : at + _LONGEST_NEXT].lstrip(_BETWEEN)
    return not rest or rest.startswith(_MARK)
