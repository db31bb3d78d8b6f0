"""Compressed files as streams: gzip and zstd by the ending of the name."""

from __future__ import annotations

import gzip
import io
import zlib
from typing import Any, BinaryIO

from hornbook.corpus.read.sources import Found, ending


class CompressionError(Exception):
    """A compressed file that breaks off or is damaged: a reason to be counted, and a detail for a person."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail


def opened(found: Found) -> BinaryIO:
    """A file's content, decompressed as its name says. Reading raises CompressionError where it is damaged."""
    return decompressed(found.open(), ending(found.path)[1])


def decompressed(stream: BinaryIO, compression: str) -> BinaryIO:
    """A stream decompressed as it is read: `.gz`, `.zst` or nothing. Reading raises CompressionError where damaged."""
    if compression == ".gz":
        return io.BufferedReader(_Decompressed(gzip.GzipFile(fileobj=stream), "corrupt gzip"))
    if compression == ".zst":
        return io.BufferedReader(_Decompressed(_zstd(stream), "corrupt zstd"))
    return stream


def _zstd(stream: BinaryIO) -> Any:
    import pyarrow as pa

    return pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), "zstd")


class _Decompressed(io.RawIOBase):
    """A reader of some library, whose errors of compression become CompressionError."""

    def __init__(self, inner: Any, reason: str) -> None:
        self._inner, self._reason = inner, reason

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            block = self._inner.read(len(buffer))
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise CompressionError(self._reason, str(error)) from None
        except OSError as error:
            if error.errno is not None:  # the disk, not the compression
                raise
            raise CompressionError(self._reason, str(error).strip().split("\n", 1)[0]) from None
        buffer[: len(block)] = block
        return len(block)

    def close(self) -> None:
        if not self.closed:
            self._inner.close()
        super().close()
