"""Archives of files: .zip and .tar, packed or not. Their members are read as if they lay in a folder of that name."""

from __future__ import annotations

import io
import shutil
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO, Self

from hornbook.corpus.read.compression import CompressionError, opened
from hornbook.corpus.read.kinds import CONTAINERS, Foreign, Found, ending
from hornbook.corpus.read.raw import Bad

_MANY = 1 << 30  # bytes: the members of a zip together may have so many, or so many times its size
_TIMES = 500
_HELD = 1 << 24  # bytes of a member of a tar that are held in memory; a larger one is on disk while it is read
_LARGEST = 1 << 32  # bytes of a member of a tar, which has to be put somewhere
_ENCRYPTED, _SIZES_FOLLOW, _UTF8 = 1, 8, 0x800  # flags of a member of a zip
_HEADER = struct.Struct("<4s5H3I2H")  # that every member of a zip begins with
_PIECE = 1 << 20  # bytes that are unpacked at once
_SIGNATURE = b"PK\3\4"
_UNKNOWN = 0xFFFFFFFF  # a size that stands elsewhere
_DAMAGED = (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, zlib.error)

_tarfile: Any = tarfile  # type checkers do not know its kinds of HeaderError


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


@dataclass(frozen=True)
class _Unlisted:
    """A member of a zip whose directory is lost: `start` is where its content begins."""

    archive: Found
    info: zipfile.ZipInfo
    start: int

    def stat(self) -> _Size:
        return _Size(self.info.file_size)

    def open(self, mode: str = "rb") -> BinaryIO:
        stream = self.archive.open()
        stream.seek(self.start)
        try:
            inner = zipfile.ZipExtFile(stream, "r", self.info, close_fileobj=True)
        except _DAMAGED as error:
            raise OSError(None, str(error)) from None
        return io.BufferedReader(_Unzipped(inner, self.info.file_size))


class _Unzipped(io.RawIOBase):
    """A member of a zip. It ends where `damage` is, if there is any; see `compression.opened`."""

    def __init__(self, inner: IO[bytes] | zipfile.ZipExtFile, size: int) -> None:
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

    def close(self) -> None:
        self._inner.close()
        super().close()

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
    with found.open() as stream:
        try:
            archive = zipfile.ZipFile(stream)
        except zipfile.BadZipFile as error:
            yield Bad(found.path, "damaged archive", f"{error}; what it holds is read by the members' own headers")
            yield from _readable(found, ((info, _Unlisted(found, info, start)) for info, start in _headers(stream)))
            return
        with archive:
            yield from _readable(found, ((info, _Zipped(archive, info)) for info in archive.infolist()))


def _readable(
    found: Found, held: Iterable[tuple[zipfile.ZipInfo, _Zipped | _Unlisted]]
) -> Iterator[Found | Foreign | Bad]:
    left = max(_MANY, _TIMES * found.file.stat().st_size)
    for info, member in held:
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
            yield Found(member, path)


def _headers(stream: BinaryIO) -> Iterator[tuple[zipfile.ZipInfo, int]]:
    """The members of a zip by their own headers (APPNOTE 4.3.7), each with the place where its content begins.

    Where its size stands behind the content, unpacking finds it; content that is not packed is passed over then.
    """
    end = stream.seek(0, io.SEEK_END)
    after = 0
    while (at := _find(stream, after)) is not None:
        stream.seek(at)
        head = stream.read(_HEADER.size)
        if len(head) < _HEADER.size:
            return
        _, _, flags, method, _, _, checksum, packed, size, name_length, extra_length = _HEADER.unpack(head)
        name = stream.read(name_length)
        after = start = at + _HEADER.size + name_length + extra_length
        if not name:
            continue
        info = zipfile.ZipInfo(name.decode("utf-8" if flags & _UTF8 else "cp437", "replace"))
        info.flag_bits, info.compress_type = flags, method
        info.CRC, info.compress_size, info.file_size = checksum, packed, size
        if flags & _SIZES_FOLLOW or _UNKNOWN in (packed, size):
            if method == zipfile.ZIP_STORED:
                continue
            info.CRC = None  # type: ignore[assignment]  # it is not checked
            most = end - start + 1  # one more than there is: reading on tells that the end is missing
            length, info.file_size = None, _TIMES * most
            if method == zipfile.ZIP_DEFLATED:
                length, info.file_size = _inflated(stream, start, max(_MANY, _TIMES * most))
            info.compress_size = most if length is None else length
            after = start if length is None else start + length  # a damaged one says nothing of where the next begins
        else:
            after = min(start + packed, end)
        yield info, start


def _inflated(stream: BinaryIO, start: int, most: int) -> tuple[int | None, int]:
    """How many bytes from `start` on are a deflated stream, None where it has no end, and of how many bytes it is.

    Where it has no end, of more than can be unpacked: who reads so many meets the damage.
    """
    stream.seek(start)
    unpacker, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
    while not unpacker.eof:
        block = unpacker.unconsumed_tail or stream.read(1 << 16)
        if not block or size > most:
            return None, size + 1
        try:
            size += len(unpacker.decompress(block, _PIECE))
        except zlib.error:
            return None, size + _PIECE + 1
    return stream.tell() - len(unpacker.unused_data) - start, size


def _find(stream: BinaryIO, start: int) -> int | None:
    """Where the next header of a member is."""
    stream.seek(start)
    held = b""
    while block := stream.read(1 << 20):
        held += block
        if (at := held.find(_SIGNATURE)) >= 0:
            return start + at
        start += max(0, len(held) - len(_SIGNATURE) + 1)
        held = held[-len(_SIGNATURE) + 1 :]
    return None


class _TarHeader(tarfile.TarInfo):
    """A header of a `_Tar`, which is told of every one that is none."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        assert isinstance(archive, _Tar)
        try:
            found = super().fromtarfile(archive)
        except tarfile.HeaderError as error:
            archive.note(error)
            if not isinstance(error, _tarfile.SubsequentHeaderError):
                raise
            archive.offset = archive.place  # of the damaged one, behind the one that belongs to it
            raise _tarfile.InvalidHeaderError(str(error)) from None
        archive.ended = False
        return found


class _Tar(tarfile.TarFile):
    """A tar as a stream. It goes on at the next header that is whole; `damage` is what was first found amiss."""

    tarinfo = _TarHeader
    damage = ""
    ended = False  # whether the block before was of zeros: the mark of the end, behind which anything may stand

    @property
    def place(self) -> int:
        """Where the block begins that was read last."""
        assert self.fileobj is not None
        return self.fileobj.tell() - tarfile.BLOCKSIZE

    def note(self, error: tarfile.HeaderError) -> None:
        """Take down what is not as it should be."""
        if isinstance(error, _tarfile.EOFHeaderError):
            self.ended = True
        elif not self.ended:
            cut = isinstance(error, _tarfile.TruncatedHeaderError | _tarfile.EmptyHeaderError)
            told = "it breaks off" if cut else f"the header at byte {self.place:,} is damaged"
            self.damage = self.damage or told


def _tarred(found: Found) -> Iterator[Found | Foreign | Bad]:
    # tarfile by itself takes a damaged header for the end, and says nothing.
    with opened(found) as stream, _Tar.open(fileobj=stream, mode="r|", ignore_zeros=True) as archive:
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
        if archive.damage:
            raise tarfile.ReadError(archive.damage)


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
