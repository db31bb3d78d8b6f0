"""Files on S3, Google Cloud Storage and the web, read as streams through Daft.

Credentials are found where the stores' own tools look for them (environment, profiles, the machine's role).
"""

from __future__ import annotations

import io
import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeVar

from hornbook.corpus.daft_engine import daft

SCHEMES = ("s3", "s3a", "gs", "gcs", "http", "https", "az", "abfs", "abfss")
_ADDRESS = re.compile(rf"({'|'.join(SCHEMES)})://[^\s/]+", re.IGNORECASE)
_WILD = re.compile(r"[*?\[{]")
_BUFFER = 1 << 22  # bytes asked for at once

T = TypeVar("T")


@dataclass(frozen=True)
class _Size:
    """What is known of a file before it is read."""

    st_size: int
    st_mtime_ns: int = 0


@dataclass(frozen=True)
class RemoteFile:
    """A file at an address. Stands where a Path does: it can be opened, and has a size."""

    address: str
    size: int

    def stat(self) -> _Size:
        """Its size in bytes, 0 where it is not known; see `Path.stat`."""
        return _Size(self.size)

    def open(self, mode: str = "rb") -> BinaryIO:
        """A stream that can be sought in. Raises OSError, as does reading from it."""
        file = _as_os_errors(lambda: daft().open_file(self.address, mode, buffering=0), self.address)
        return io.BufferedReader(_Remote(file, self.address), _BUFFER)


def is_address(path: str) -> bool:
    """Whether a source's path is an address and no path on this machine."""
    return _ADDRESS.match(path) is not None


def listing(address: str) -> list[tuple[RemoteFile, str]]:
    """The files that an address means, in order, each with its path relative to the folder before any wildcard.

    A folder (an address that ends in `/`, or whose last part has no `.`) means all below it. Raises OSError.
    """
    path = address.partition("?")[0] if address.lower().startswith("http") else address
    wild = _WILD.search(path)
    if wild is None and "." in posixpath.basename(path):
        return [(RemoteFile(address, 0), posixpath.basename(path))]
    pattern = address if wild else f"{address.rstrip('/')}/**"
    root = pattern[: pattern.rfind("/", 0, wild.start() if wild else len(pattern) - 2) + 1]
    found = _as_os_errors(lambda: daft().from_glob_path(pattern).to_pydict(), address)
    files = zip(found["path"], found["size"], strict=True)
    return sorted(
        ((RemoteFile(path, size or 0), path.removeprefix(root)) for path, size in files), key=lambda item: item[1]
    )


class _Remote(io.RawIOBase):
    """Daft's file, whose errors become OSError."""

    def __init__(self, file: Any, address: str) -> None:
        self._file, self._address = file, address

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = _as_os_errors(lambda: self._file.read(len(buffer)), self._address)
        buffer[: len(block)] = block
        return len(block)

    def seek(self, offset: int, whence: int = 0) -> int:
        return int(_as_os_errors(lambda: self._file.seek(offset, whence), self._address))

    def tell(self) -> int:
        return int(self._file.tell())

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def _as_os_errors(call: Callable[[], T], address: str) -> T:
    """What `call` returns; what Daft raises becomes an OSError of one line."""
    try:
        return call()
    except FileNotFoundError:
        raise FileNotFoundError(2, "there is no such file", address) from None
    except Exception as error:  # Daft's own, of many kinds, each of several lines
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        why = re.sub(r"^\d+:\s*", "", lines[-1]) if lines else type(error).__name__
        raise OSError(5, why, address) from None
