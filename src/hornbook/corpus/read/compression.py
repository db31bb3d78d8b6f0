"""Packed files as streams: gzip, bzip2, xz and zstd by the ending of the name.

A file that breaks off or is damaged gives all that can be unpacked before the damage. The libraries' own streams throw
away what they hold when they meet it, which is up to a block of many records.
"""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO, Protocol

from hornbook.corpus.read.kinds import Found, ending

_BLOCK = 1 << 17  # bytes of a packed file that are read at once
_PIECE = 1 << 16  # bytes that are unpacked at once
_MANY = 1 << 30  # a file may hold so many bytes, or so many times its size
_TIMES = 500
_MEMORY = 1 << 27  # bytes that unpacking may take: what `zstd` itself allows unless it is told otherwise


class CompressionError(Exception):
    """A packed file that breaks off or is damaged: a reason to be counted, and a detail for a person."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail


class Decoder(Protocol):
    """What unpacks one member of a file; the interface of `bz2`, `lzma` and `zstd`."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Unpack at most `max_length` bytes; what is left of `data` is kept for the next call."""

    @property
    def eof(self) -> bool:
        """Whether the member is at its end."""

    @property
    def needs_input(self) -> bool:
        """Whether nothing more can be unpacked without more data."""

    @property
    def unused_data(self) -> bytes:
        """What follows the member."""


@contextmanager
def opened(found: Found) -> Iterator[BinaryIO]:
    """A file's content, unpacked as its name says. Raises CompressionError at its end, where it was read to a damage:
    what came before it was read as if the file ended there.
    """
    with found.open() as stream:
        compression = ending(found.path)[1]
        whole = io.BufferedReader(Unpacked(stream, compression), _BLOCK) if compression else stream
        with whole:
            yield whole
        for one in (stream, whole):  # a member of an archive can be damaged too
            damage = getattr(getattr(one, "raw", None), "damage", None)
            if damage is not None:
                raise damage


class Unpacked(io.RawIOBase):
    """The content of a packed stream that can be sought in, from where it stands. It ends where `damage` is, if there
    is any. `new` makes another decoder than that of the format.
    """

    def __init__(self, stream: BinaryIO, compression: str, new: Callable[[], Decoder] | None = None) -> None:
        self._name, usual = _DECODERS[compression]
        self._new = new or usual
        self._stream, self._decoder = stream, self._new()
        self._held = b""  # was read and not given to the decoder
        self._position = self._member = stream.tell()  # of the next byte that is read, of the first of this member
        self._given = 0  # bytes of this member that were unpacked
        self._total = 0  # bytes that were unpacked
        self._last = 0  # of the first byte of what was given to the decoder last
        self._fresh = True  # nothing was given to this decoder
        self._rest = b""  # was unpacked before the damage and not read
        self.damage: CompressionError | None = None

    def readable(self) -> bool:
        """True; see `io.RawIOBase`."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """See `io.RawIOBase`."""
        piece = self._next(min(len(buffer), _PIECE)) if self.damage is None else b""
        if self.damage is not None and not piece:
            piece, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)

    def _next(self, most: int) -> bytes:
        """The next bytes; none at the end."""
        while True:
            if self._decoder.eof and not self._next_member():
                return b""
            data = b""
            if self._decoder.needs_input:
                data = self._held or self._read()
                self._held = b""
                if not data:
                    if not self._fresh or self._member == 0:
                        self._broken("cut off" if self._position else "empty")
                    return b""
                self._last = self._position - len(data)
            try:
                piece = self._decoder.decompress(data, most)
            except MemoryError:
                raise
            except Exception as error:  # each library's own, and OSError
                self._broken(str(error))
                self._rest = self._before()
                return b""
            self._fresh = self._fresh and not data
            self._given += len(piece)
            self._total += len(piece)
            if self._total > _MANY and self._total > _TIMES * self._position:
                told = f"more than {_TIMES:,} times its size"
                self.damage = CompressionError("unpacks to too much", told)
                return b""
            if piece:
                return piece

    def _next_member(self) -> bool:
        """Begin what follows a member, if anything but zero bytes does, as tapes and some disks leave them."""
        rest = self._decoder.unused_data
        start = self._position - len(rest) - len(self._held)
        data = rest + self._held
        while not (content := data.lstrip(b"\0")):
            start += len(data)
            data = self._read()
            if not data:
                return False
        self._member, self._held = start + len(data) - len(content), content
        self._decoder, self._given, self._fresh = self._new(), 0, True
        return True

    def _read(self) -> bytes:
        data = self._stream.read(_BLOCK)
        self._position += len(data)
        return data

    def _broken(self, why: str) -> None:
        reason, detail = f"corrupt {self._name}", why
        if "too much memory" in why or "Memory usage limit" in why:
            reason = f"{self._name} window too large"
            detail = f"takes over {_MEMORY >> 20} MB of memory to unpack; unpack it first (zstd -d --long=31)"
        elif self._fresh and self._member:
            detail = f"what follows at byte {self._member:,} is no {self._name}"
        self.damage = CompressionError(reason, detail)

    def _before(self) -> bytes:
        """What is left before the damage: a decoder that meets it says nothing of what it had unpacked in that call,
        so another one gets the same data, the last of it byte by byte.
        """
        self._stream.seek(self._member)
        decoder, left, given = self._new(), self._last - self._member, self._given
        found = bytearray()
        with suppress(Exception):  # the damage, met again
            while not decoder.eof:
                data = b""
                if decoder.needs_input:
                    data = self._stream.read(min(_BLOCK, left) or 1)
                    left -= min(left, len(data))
                    if not data:
                        break
                piece = decoder.decompress(data, _PIECE)
                found += piece[given:]
                given -= min(given, len(piece))
        return bytes(found)


class _Inflate:
    """zlib's decoder of one gzip member, with the interface of the others."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)
        self._full = False

    def decompress(self, data: bytes, max_length: int) -> bytes:
        piece = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        self._full = len(piece) == max_length
        return piece

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not (self._full or self._inner.unconsumed_tail)

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data


def _xz() -> Decoder:
    return lzma.LZMADecompressor(memlimit=_MEMORY)


def zstd_decoder(dictionary: bytes | None = None) -> Decoder:
    """What unpacks a frame of zstd, with a dictionary where its frames were packed with one."""
    from backports import zstd

    options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: _MEMORY.bit_length() - 1}
    return zstd.ZstdDecompressor(zstd.ZstdDict(dictionary) if dictionary else None, options)


_DECODERS: dict[str, tuple[str, Callable[[], Decoder]]] = {
    ".gz": ("gzip", _Inflate),
    ".bz2": ("bzip2", bz2.BZ2Decompressor),
    ".xz": ("xz", _xz),
    ".zst": ("zstd", zstd_decoder),
}
