"""Where the rows of benchmarks lie: a folder of files, plain or packed; which are there, and whether they are whole."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hornbook.corpus.decontaminate.files import Content, contents
from hornbook.corpus.read.hub import PREFIX, dataset, stream
from hornbook.errors import UserError
from hornbook.evaluate.exam.declaration import PAGES, Benchmark, Copy
from hornbook.evaluate.exam.forms import FORMS, Fields
from hornbook.files import digest_file, digest_value, expanded
from hornbook.records import Fault

VARIABLE = "HORNBOOK_BENCHMARKS"
OURS = "hornbook:"  # before the name of a file that comes with Hornbook
HUB = Path(PREFIX)  # in place of a folder: datasets of the Hugging Face hub
_PACKED = ("", ".gz", ".bz2", ".xz", ".zst")
_HEADERS = ("question", "Question", "prompt", "text", "sentence", "query", "goal")  # of a table, one of them


@dataclass(frozen=True)
class Found:
    """A copy that is there: a file, a folder, or a dataset of the hub."""

    copy: Copy
    path: Path

    @property
    def sha256(self) -> str:
        """Of the file as it lies there, or of a folder's files; of a dataset nothing is known before it is read."""
        if self.path.is_dir():
            return _digest_folder(self.path)
        return digest_file(self.path) if self.path.is_file() else ""


@dataclass(frozen=True)
class Rows:
    """The rows of a copy by id, and why others can't be used, counted."""

    found: Found
    rows: tuple[tuple[str, Fields], ...]
    faults: Counter[str]
    sha256: str


def folder_of(told: Path | None) -> Path | None:
    """The data folder: the one that was named, or that HORNBOOK_BENCHMARKS names; `hf:` is the hub."""
    value = os.environ.get(VARIABLE)
    folder = told or (expanded(value) if value else None)
    if folder is not None and folder != HUB and not folder.is_dir():
        raise UserError(
            f"{folder} is no folder; --data and {VARIABLE} name the one that holds the benchmarks' files, or {HUB}"
        )
    return folder


def locate(copies: Sequence[Copy], data: Path | None) -> Found | None:
    """The best copy that is there. A copy's name may lead to a folder, or begin at the root."""
    for copy in copies:
        if copy.file.startswith(OURS):
            return Found(copy, PAGES / copy.file.removeprefix(OURS))
        if copy.file.startswith(PREFIX) or data == HUB:
            if copy.file.startswith(PREFIX) and data == HUB:
                return Found(copy, Path(copy.file))
            continue
        named = expanded(copy.file)
        for ending in _PACKED:
            path = named.with_name(named.name + ending)
            if data is not None and not named.is_absolute():
                path = data / path
            if path.is_file():
                return Found(copy, path)
        folder = data / named if data is not None else named
        if not named.suffix and folder.is_dir():
            return Found(copy, folder)
    return None


def _digest_folder(folder: Path) -> str:
    """Of all files of a folder, by name."""
    made = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        made.update(f"{path.relative_to(folder).as_posix()} {digest_file(path)}\n".encode())
    return made.hexdigest()


def missing(benchmark: Benchmark, data: Path | None) -> str:
    """Why a benchmark can't be asked, in a line, with what to do."""
    if data == HUB:
        return f"{benchmark.name}: no dataset of the hub is declared; it comes from {benchmark.source}"
    wanted = names(benchmark.files)
    where = data if data is not None else f"a folder that --data or {VARIABLE} names"
    return f"{benchmark.name}: {wanted} is not in {where}; it comes from {benchmark.source}"


def names(copies: Sequence[Copy]) -> str:
    """The files that may hold something, in words."""
    return " or ".join(copy.file for copy in copies if not copy.file.startswith((PREFIX, OURS)))


def read(found: Found) -> Rows:
    """The rows of a copy. Raises UserError for a file that holds none."""
    rows: list[tuple[str, Fields]] = []
    faults: Counter[str] = Counter()
    several = found.path.is_dir() or ".tar" in found.path.name or found.path.suffix == ".zip"
    for content in _of_hub(found.copy) if found.copy.file.startswith(PREFIX) else contents(found.path, _HEADERS):
        if found.copy.part and found.copy.part not in content.place:
            continue
        faults.update(_kind(fault) for fault in content.faults)
        stem = Path(content.place.rpartition("/")[2]).name.split(".")[0]
        records = content.records[found.copy.skip :]
        for number, record in records[: found.copy.first] if found.copy.first else records:
            try:
                fields = FORMS[found.copy.form](record, content.place)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                lacking = isinstance(error, KeyError | TypeError)
                faults[f"lacks the field {error}" if lacking else str(error)] += 1
                continue
            if fields is not None:
                rows.append((f"{stem}:{number}" if several else str(number), {"number": number, **fields}))
    if not rows:
        why = next((f": {reason}" for reason in faults), "")
        raise UserError(f"{found.path} holds no rows of the form {found.copy.form}{why}")
    return Rows(found, tuple(rows), faults, found.sha256 or digest_value(rows))


def _of_hub(copy: Copy) -> Iterator[Content]:
    """A dataset of the hub, as one file."""
    chosen = dataset(copy.file)
    if chosen is None:
        raise UserError(f"{copy.file} is no dataset of the hub; write hf:NAME, hf:NAME@SPLIT or hf:NAME#CONFIG@SPLIT")
    records: list[tuple[int, dict[str, Any]]] = []
    faults: list[str] = []
    for number, row in enumerate(stream(chosen, copy.file), start=1):
        if isinstance(row, Fault):
            faults.append(str(row))
        else:
            records.append((number, row))
    yield Content(chosen.name, copy.file, tuple(records), tuple(faults))


def _kind(fault: str) -> str:
    """A fault without the place that it is at, so that equal ones are counted together."""
    place, is_, rest = fault.partition(" is ")
    return f"is {rest}" if is_ and place.startswith(("line ", "record ")) else fault


def told(rows: Rows) -> dict[str, Any]:
    """What a result says of its data."""
    copy = rows.found.copy
    file = copy.file if copy.file.startswith(PREFIX) else rows.found.path.name
    return {"file": file, "sha256": rows.sha256, "state": copy.state, "note": copy.note, "rows": len(rows.rows)}
