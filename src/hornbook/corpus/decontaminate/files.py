"""The records in the files of a folder, and what in them can't be used.

Files are JSON lines, JSON, CSV or TSV, plain, gzipped, or in a .tar.gz. Nothing is passed over in silence but hidden
names: a file of another kind and a line that is broken are faults, with a reason.
"""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from hornbook import records
from hornbook.records import Fault

KINDS = ".jsonl, .json, .csv or .tsv"
_ENDINGS = (".jsonl", ".json", ".csv", ".tsv")
_ARCHIVES = (".tar.gz", ".tgz", ".tar")
_LETTERS = "ABCDEFGHIJ"
_FIELD = 1 << 17  # characters of a line or a field of a table
_DAMAGED = (OSError, EOFError, zlib.error, tarfile.TarError)

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
        bare = path.name.removesuffix(".gz")
        if fault:
            yield Content("", place, faults=(fault,))
        elif path.name.endswith(_ARCHIVES):
            yield from _archived(path, place, names)
        elif not bare.endswith(_ENDINGS):
            yield Content("", place, faults=(f"is not {KINDS}",))
        else:
            name = _spelled(path.relative_to(root).with_name(bare.rsplit(".", 1)[0]))
            try:
                data = path.read_bytes()
                data = gzip.decompress(data) if path.name.endswith(".gz") else data
            except _DAMAGED as error:
                yield Content(name, place, faults=(_unread(error),))
            else:
                yield _content(name, place, bare, data, names)


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


def _archived(path: Path, place: str, names: Collection[str]) -> Iterator[Content]:
    """The files of an archive; those of a folder in it are one benchmark."""
    stem = path.name.split(".")[0]
    try:
        with tarfile.open(path) as archive:
            for member in sorted(archive.getmembers(), key=lambda member: member.name):
                inside = PurePosixPath(member.name)
                if member.isdir() or any(part.startswith(".") for part in inside.parts if part != "."):
                    continue
                name = "/".join([stem, *(part for part in inside.parent.parts if part not in (".", stem))])
                where = f"{place}, {inside}"
                if not member.name.endswith(_ENDINGS):
                    yield Content("", where, faults=(f"is not {KINDS}",))
                    continue
                try:
                    content = archive.extractfile(member) if member.isfile() else None
                    data = content.read() if content is not None else None
                except _DAMAGED as error:
                    yield Content(name, where, faults=(_unread(error),))
                    continue
                if data is None:
                    yield Content(name, where, faults=("is not a regular file",))
                else:
                    yield _content(name, where, member.name, data, names)
    except _DAMAGED as error:
        yield Content(stem, place, faults=(_unread(error),))


def _content(benchmark: str, place: str, file: str, data: bytes, names: Collection[str]) -> Content:
    found: list[tuple[int, Record]] = []
    faults: list[str] = []
    try:
        for number, record in enumerate(_records(file, _utf8(data), names), start=1):
            if isinstance(record, str):
                faults.append(record)
            else:
                found.append((number, record))
    except _FaultError as fault:
        faults.append(str(fault))
    if not found and not faults:
        faults.append("holds no records")
    return Content(benchmark, place, tuple(found), tuple(faults))


def _records(file: str, data: bytes, names: Collection[str]) -> Iterator[Record | str]:
    """The records of a file in order, and in the place of one that can't be used why."""
    if file.endswith((".csv", ".tsv")):
        yield from _table(data, file.endswith(".tsv"), names)
    elif file.endswith(".json"):
        whole = records.parse(data)
        if isinstance(whole, Fault):
            raise _FaultError(str(whole))
        for number, value in enumerate(_listed(whole.value), start=1):
            yield _object(value, f"record {number}")
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


def _utf8(data: bytes) -> bytes:
    """The data, if it is UTF-8 throughout."""
    try:
        data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _FaultError(f"is not valid UTF-8: {error.reason} at byte {error.start}") from None
    return data


def _unread(error: Exception) -> str:
    told = (error.strerror if isinstance(error, OSError) else None) or str(error).strip().split("\n", 1)[0].rstrip(":")
    return f"can't be read: {told}"


def _spelled(path: Path) -> str:
    """A path with forward slashes; bytes in it that are not UTF-8 are made printable."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")
