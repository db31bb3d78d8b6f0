"""Archives of files: .zip and .tar, packed or not. Their members are read as if they lay in a folder of that name."""

from __future__ import annotations

import io
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO

from hornbook.corpus.read.compression import CompressionError, opened
from hornbook.corpus.read.kinds import CONTAINERS, Foreign, Found, ending
from hornbook.corpus.read.raw import Bad

_MANY = 1 << 30  # bytes: the members of a zip together may have so many, or so many times its size
_TIMES = 500
_HELD = 1 << 24  # bytes of a member of a tar that are held in memory; a larger one is on disk while it is read
_LARGEST = 1 << 32  # bytes of a member of a tar, which has to be put somewhere
_ENCRYPTED = 1
_DAMAGED = (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, zlib.error)


@dataclass(frozen=True)
class _Size:
    st_size: int
    st_mtime_ns: int = 0


@dataclass(frozen=True)
class _Zipped:
    """A member of a zip, opened anew by everyone who reads it."""

    archive: zipfile.ZipFile
    info: zipfile.ZipInfo

    def stat(self) -> _Size:
        return _Size(self.info.file_size)

    def open(self, mode: str = "rb") -> BinaryIO:
        try:
            return io.BufferedReader(_Unzipped(self.archive.open(self.info), self.info.file_size))
        except _DAMAGED as error:
            raise OSError(None, str(error)) from None


class _Unzipped(io.RawIOBase):
    """A member of a zip. It ends where `damage` is, if there is any; see `compression.opened`."""

    def __init__(self, inner: IO[bytes], size: int) -> None:
        self._inner, self._size = inner, size
        self.damage: CompressionError | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        # A wrong checksum is met with the last byte, and takes with it what was asked for together with that.
        size = max(1, min(len(buffer), self._size - 1 - self._inner.tell()))
        try:
            block = self._inner.read(size)
        except _DAMAGED as error:
            self.damage, block = CompressionError("corrupt zip", str(error)), b""
        buffer[: len(block)] = block
        return len(block)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._inner.seek(offset, whence)

    def tell(self) -> int:
        return self._inner.tell()


@dataclass(frozen=True)
class _Taken:
    """A member of a tar that was taken out of it: in memory, or in a file."""

    place: Path | bytes

    def stat(self) -> _Size:
        return _Size(len(self.place) if isinstance(self.place, bytes) else self.place.stat().st_size)

    def open(self, mode: str = "rb") -> BinaryIO:
        return io.BytesIO(self.place) if isinstance(self.place, bytes) else self.place.open("rb")


def members(found: Found) -> Iterator[Found | Foreign | Bad]:
    """What an archive holds, in its order; a member can be read until the next one is asked for.

    Hidden names are passed over, archives in archives are of another kind, and damage leaves what stands before it.
    """
    try:
        if ending(found.path)[0] == ".zip":
            yield from _zipped(found)
        else:
            yield from _tarred(found)
    except CompressionError as error:
        yield Bad(found.path, error.reason, error.detail)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, ValueError, zlib.error) as error:
        yield Bad(found.path, "damaged archive", str(error))


def _path(found: Found, name: str) -> str | None:
    """The path of a member, None for a hidden one."""
    parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in (".", "/")]
    hidden = any(part.startswith((".", "__MACOSX")) for part in parts)
    return None if hidden or not parts else "/".join((found.path, *parts)).encode("utf-8", "replace").decode()


def _read(path: str) -> bool:
    kind = ending(path)[0]
    return bool(kind) and kind not in CONTAINERS


def _zipped(found: Found) -> Iterator[Found | Foreign | Bad]:
    with found.open() as stream, zipfile.ZipFile(stream) as archive:
        left = max(_MANY, _TIMES * found.file.stat().st_size)
        for info in archive.infolist():
            path = _path(found, info.filename)
            if info.is_dir() or path is None:
                continue
            left -= info.file_size
            if not _read(path):
                yield Foreign(path)
            elif info.flag_bits & _ENCRYPTED:
                yield Bad(path, "encrypted")
            elif left < 0:
                yield Bad(path, "unpacks to too much", f"with those before it, more than {_TIMES:,} times the archive")
            else:
                yield Found(_Zipped(archive, info), path)


def _tarred(found: Found) -> Iterator[Found | Foreign | Bad]:
    with opened(found) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            path = _path(found, member.name)
            if member.isdir() or path is None:
                continue
            if not _read(path):
                yield Foreign(path)
            elif not member.isfile():
                yield Bad(path, "not a regular file", "a link" if member.issym() or member.islnk() else "")
            elif member.size > _LARGEST:
                yield Bad(path, "too long", f"more than {_LARGEST:,} bytes in an archive: unpack it first")
            else:
                yield from _taken(archive, member, path)


def _taken(archive: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> Iterator[Found]:
    content = archive.extractfile(member)
    if content is None:
        return
    if member.size <= _HELD:
        yield Found(_Taken(content.read()), path)
        return
    with tempfile.NamedTemporaryFile(prefix="hornbook-") as kept:
        shutil.copyfileobj(content, kept)
        kept.flush()
        yield Found(_Taken(Path(kept.name)), path)
