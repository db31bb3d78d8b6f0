"""The records in the files of a folder, and what in them can't be used.

Files are JSON lines, JSON, CSV or TSV, plain, packed, or in a .tar or .zip. Nothing is passed over in silence but
hidden names: a file of another kind, a line that is broken and what is too large for a benchmark are faults, with a
reason.
"""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from hornbook import records
from hornbook.corpus.read.compression import Unpacked
from hornbook.corpus.read.kinds import CONTAINERS, ending
from hornbook.records import Fault

KINDS = ".jsonl, .json, .csv or .tsv"
_ENDINGS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv")
_LARGEST = 1 << 28  # bytes of a file of a benchmark, unpacked; those of an archive together may have four times as many
_LETTERS = "ABCDEFGHIJ"
_FIELD = 1 << 17  # characters of a line or a field of a table
_DAMAGED = (
    *(OSError, EOFError, ValueError, RuntimeError, NotImplementedError, zlib.error),
    *(tarfile.TarError, zipfile.BadZipFile),
)

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Content:
    """What a file holds: the benchmark that it is part of (empty for a file of another kind), its place from the
    folder's name on, its records by number from 1, and why others can't be used (the file as a whole is one fault).
    """

    benchmark: str
    place: str
    records: tuple[tuple[int, Record], ...] = ()
    faults: tuple[str, ...] = ()


class _FaultError(Exception):
    """Why a record or a file can't be used."""


def contents(folder: Path, names: Collection[str]) -> Iterator[Content]:
    """Every file of a folder, or the one file, in the order of their paths; the files of an archive one by one.

    A table has a line of names when that holds one of `names`. Without one CSV is what MMLU has, a question, its
    choices and the letter of the right one, and TSV is that or what MGSM has, a question and its answer.
    """
    root = folder.parent if folder.is_file() else folder
    for path, fault in _walk(folder):
        place = _spelled(path.relative_to(folder.parent))
        kind, compression = ending(path.name)
        if fault:
            yield Content("", place, faults=(fault,))
        elif kind in CONTAINERS:
            yield from _archived(path, place, names)
        elif kind not in _ENDINGS:
            yield Content("", place, faults=(f"is not {KINDS}",))
        else:
            bare = path.name[: len(path.name) - len(compression)]
            name = _spelled(path.relative_to(root).with_name(bare.rsplit(".", 1)[0]))
            try:
                with path.open("rb") as stream:
                    data, damage = _taken(stream, compression, _LARGEST)
            except (*_DAMAGED, _FaultError) as error:
                yield Content(name, place, faults=(_unread(error),))
            else:
                yield _content(name, place, kind, data, names, damage)


def _taken(stream: BinaryIO, compression: str, most: int) -> tuple[bytes, str]:
    """What a file holds, unpacked, as far as it can be, and what ends it if that is not its end. Raises _FaultError."""
    unpacked = Unpacked(stream, compression) if compression else None
    data = (io.BufferedReader(unpacked) if unpacked else stream).read(most + 1)
    if len(data) > most:
        raise _too_large(most)
    if unpacked is None or unpacked.damage is None:
        return data, ""
    return data, f"can't be read{' to its end' if data else ''}: {unpacked.damage.detail}"


def _walk(folder: Path) -> list[tuple[Path, str]]:
    """Every file below a folder but hidden ones, each with why it can't be opened, if so."""
    if folder.is_file():
        return [(folder, "")]
    found: list[tuple[Path, str]] = []
    refused: list[OSError] = []
    for above, folders, files in os.walk(folder, onerror=refused.append):
        folders[:] = [name for name in folders if not name.startswith(".")]
        here = Path(above)
        found += [(here / name, "is a link to a folder") for name in folders if (here / name).is_symlink()]
        for name in files:
            if not name.startswith("."):
                found.append((here / name, "" if (here / name).is_file() else "is not a regular file"))
    found += [(Path(error.filename), _unread(error)) for error in refused]
    return sorted(found)


def _too_large(most: int) -> _FaultError:
    return _FaultError(f"holds more than {most:,} bytes, too many for a benchmark")


def _archived(path: Path, place: str, names: Collection[str]) -> Iterator[Content]:
    """The files of an archive, in the order of their names; those of a folder in it are one benchmark."""
    stem = path.name.split(".")[0]
    found: list[tuple[str, Content]] = []
    left = 4 * _LARGEST
    damage: str | None = None
    try:
        for member in _members(path):
            inside = PurePosixPath(member.name)
            if any(part.startswith(".") for part in inside.parts if part != "."):
                continue
            kind, compression = ending(member.name)
            where = f"{place}, {inside}"
            if kind not in _ENDINGS:
                content = Content("", where, faults=(f"is not {KINDS}",))
            else:
                name = "/".join([stem, *(part for part in inside.parent.parts if part not in (".", stem))])
                try:
                    if member.open is None:
                        raise _FaultError("is not a regular file")
                    if member.size > min(left, _LARGEST):
                        raise _too_large(min(left, _LARGEST))
                    with member.open() as stream:
                        data, cut = _taken(stream, compression, min(left, _LARGEST))
                    left -= len(data)
                    content = _content(name, where, kind, data, names, cut)
                except (*_DAMAGED, _FaultError) as error:
                    content = Content(name, where, faults=(_unread(error),))
            found.append((member.name, content))
    except _DAMAGED as error:
        damage = _unread(error)
    yield from (content for _, content in sorted(found, key=lambda one: one[0]))
    if damage is not None:
        yield Content(stem, place, faults=(damage,))


def _open(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> BinaryIO:
    return cast(BinaryIO, archive.open(info))


@dataclass(frozen=True)
class _Member:
    """A file in an archive; what is not a regular one can't be opened."""

    name: str
    size: int
    open: Callable[[], BinaryIO] | None


def _members(path: Path) -> Iterator[_Member]:
    """The files of an archive but for folders, as they stand in it."""
    kind, compression = ending(path.name)
    with path.open("rb") as stream:
        if kind == ".zip":
            with zipfile.ZipFile(stream) as packed:
                for info in packed.infolist():
                    if not info.is_dir():
                        yield _Member(info.filename, info.file_size, partial(_open, packed, info))
            return
        unpacked = Unpacked(stream, compression) if compression else None
        with tarfile.open(fileobj=io.BufferedReader(unpacked) if unpacked else stream, mode="r|") as archive:
            for member in archive:
                if not member.isdir():
                    file = archive.extractfile(member) if member.isfile() else None
                    yield _Member(member.name, member.size, None if file is None else partial(cast, BinaryIO, file))
        if unpacked is not None and unpacked.damage is not None:
            raise OSError(None, unpacked.damage.detail)


def _content(benchmark: str, place: str, kind: str, data: bytes, names: Collection[str], damage: str) -> Content:
    found: list[tuple[int, Record]] = []
    faults: list[str] = [damage] if damage else []
    try:
        for number, record in enumerate(_records(kind, data, names), start=1):
            if isinstance(record, str):
                faults.append(record)
            else:
                found.append((number, record))
    except _FaultError as fault:
        faults.append(str(fault))
    if not found and not faults:
        faults.append("holds no records")
    return Content(benchmark, place, tuple(found), tuple(faults))


def _records(kind: str, data: bytes, names: Collection[str]) -> Iterator[Record | str]:
    """The records of a file in order, and in the place of one that can't be used why."""
    if kind in (".csv", ".tsv"):
        yield from _table(data, kind == ".tsv", names)
    elif kind == ".json":
        whole = records.parse(data)
        if not isinstance(whole, Fault):
            for number, value in enumerate(_listed(whole.value), start=1):
                yield _object(value, f"record {number}")
        elif data.lstrip()[:1] == b"[":
            for number, one in enumerate(records.json_values(io.BytesIO(data), _LARGEST), start=1):
                where = f"record {number}"
                yield f"{where} {one}" if isinstance(one, Fault) else _object(one.value, where)
        else:
            raise _FaultError(str(whole))
    else:
        for one in records.json_lines(io.BytesIO(data)):
            where = f"line {one.number}"
            yield f"{where} {one}" if isinstance(one, Fault) else _object(one.value, where)


def _listed(value: Any) -> list[Any]:
    """The records of a JSON file: the list that it is, the first that it holds, or the one object."""
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        raise _FaultError("is neither a list nor an object")
    return next((some for some in value.values() if isinstance(some, list)), [value])


def _object(value: Any, where: str) -> Record | str:
    return value if isinstance(value, dict) else f"{where} is not an object"


def _table(data: bytes, tabs: bool, names: Collection[str]) -> Iterator[Record | str]:
    """Rows of CSV, or of TSV: that has quotes only where it has a line of names, as the programs that write one do."""
    delimiter = "\t" if tabs else ","

    def rows(data: bytes, quoted: bool = True) -> Iterator[records.Record | Fault]:
        return records.table(io.BytesIO(data), _FIELD, delimiter=delimiter, quoted=quoted, strict=False)

    first = next(rows(data.split(b"\n", 1)[0]), None)
    header = first.value if isinstance(first, records.Record) and not set(first.value).isdisjoint(names) else None
    for number, row in enumerate(rows(data, quoted=header is not None or not tabs)):
        where = f"line {row.number}"
        if isinstance(row, Fault):
            yield f"{where} {row}"
        elif (damaged := _not_utf8(row.value)) is not None:
            yield f"{where} is not valid UTF-8: byte 0x{damaged:02X}"
        elif header is None:
            yield _unnamed(row.value, tabs, where)
        elif number > 0:
            yield dict(zip(header, row.value, strict=False))


def _unnamed(row: list[str], tabs: bool, where: str) -> Record | str:
    """A record of a table without a line of names, or why it is none."""
    *before, last = row
    if tabs and len(row) == 2:
        return {"question": before[0], "answer": last}
    if len(row) > 2 and last.strip() in list(_LETTERS):
        return {"question": before[0], "choices": before[1:], "gold": last.strip()}
    return f"{where} is not a question, its choices and a letter{' or an answer' if tabs else ''}"


def _not_utf8(fields: Iterable[str]) -> int | None:
    """A byte in the fields of a table that is no UTF-8; such became half surrogate pairs (PEP 383)."""
    return next((ord(one) & 0xFF for field in fields for one in field if "\udc80" <= one <= "\udcff"), None)


def _unread(error: Exception) -> str:
    if isinstance(error, _FaultError):
        return str(error)
    told = (error.strerror if isinstance(error, OSError) else None) or str(error).strip().split("\n", 1)[0].rstrip(":")
    return f"can't be read: {told or type(error).__name__}"


def _spelled(path: Path) -> str:
    """A path with forward slashes; bytes in it that are not UTF-8 are made printable."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")
