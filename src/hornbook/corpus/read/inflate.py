"""Gzip archives whose damage does not spread.

An archive of the web is a chain of gzip members, one a record. Where a member is damaged, reading goes on at the next
one that begins a record, so one bad disk block costs one record and not the rest of the file.
"""

from __future__ import annotations

import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import BinaryIO

_BLOCK = 1 << 14  # deflate packs at most about 1,000 to 1: one block never becomes more than 16 MB
_SEARCH = 1 << 20
_MAGIC = b"\x1f\x8b\x08"
_PROBE = 2_048  # bytes of a member, more than enough for the first few it holds
_RESERVED_FLAGS = 0xE0


@dataclass(frozen=True)
class Gap:
    """Here something is missing: what was read before and what comes after don't belong together."""

    detail: str


def inflate(stream: BinaryIO, begins: bytes) -> Iterator[bytes | Gap]:
    """What the members hold, in blocks, with a Gap for each stretch that could not be unpacked.

    `stream` can be sought in. After damage only a member whose content starts with `begins` counts as one: three
    bytes alone would be found by chance.
    """
    start: int | None = 0
    while start is not None:
        damaged = yield from _members(stream, start)
        if damaged is None:
            return
        yield Gap(f"damaged or cut off at byte {damaged:,}")
        start = _next_member(stream, damaged + 1, begins)


def _members(stream: BinaryIO, start: int) -> Generator[bytes, None, int | None]:
    """Unpack from `start` on. Returns where the first member begins that can't be unpacked, or None at the end."""
    stream.seek(start)
    inflater = None
    held, position, member = b"", start, start
    while held := held or stream.read(_BLOCK):
        if inflater is None:
            member = position
            inflater = zlib.decompressobj(wbits=31)
        try:
            content = inflater.decompress(held)
        except zlib.error:
            return None if _only_padding(stream, member) else member
        if content:
            yield content
        position += len(held) - len(inflater.unused_data)
        held = inflater.unused_data
        if inflater.eof:
            inflater = None
    return None if inflater is None else member


def _only_padding(stream: BinaryIO, start: int) -> bool:
    """Whether there is nothing but zero bytes from `start` on, as tapes and some disks leave."""
    stream.seek(start)
    while block := stream.read(_SEARCH):
        if block.strip(b"\0"):
            return False
    return True


def _next_member(stream: BinaryIO, start: int, begins: bytes) -> int | None:
    """Where the first member from `start` on begins that holds a record, or None."""
    while True:
        stream.seek(start)
        block = stream.read(_SEARCH)
        if len(block) < len(_MAGIC):
            return None
        at = block.find(_MAGIC)
        while at >= 0:
            if _holds(stream, start + at, begins):
                return start + at
            at = block.find(_MAGIC, at + 1)
        start += len(block) - len(_MAGIC) + 1


def _holds(stream: BinaryIO, start: int, begins: bytes) -> bool:
    stream.seek(start)
    probe = stream.read(_PROBE)
    if len(probe) < 4 or probe[3] & _RESERVED_FLAGS:
        return False
    try:
        return zlib.decompressobj(wbits=31).decompress(probe, len(begins)) == begins
    except zlib.error:
        return False
