"""Work in portions, each a corpus of its own until all are done: what was interrupted goes on at the next portion."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hornbook.corpus.settings import Source
from hornbook.corpus.shards import DOCUMENTS, REMOVED, rows_in
from hornbook.corpus.sources import Found, Unreadable
from hornbook.files import read_json, remove_folder, write_json

FINISHED = "finished.json"  # in a portion's folder once it is whole
_PORTION = 64_000_000  # bytes of files, about
_UNKNOWN = 16_000_000  # taken for the bytes of a file that does not tell its size

Advance = Callable[[float], None]


@dataclass(frozen=True)
class Portion:
    """Work on a part of the input that any process can do by itself.

    `work` fills the folder it is given and returns figures (any JSON value), calling the function it is given with
    units as they are done; it travels to other processes, and so does all it holds. `key` names the work: inputs,
    settings. `size` is the bytes it reads from disk, `units` what a bar counts.
    """

    folder: Path
    key: str
    work: Callable[[Path, Advance], Any]
    size: int
    units: float


@dataclass(frozen=True)
class Item:
    """One file of one source; None stands for a source that has no files."""

    source: Source
    file: Found | Unreadable | None

    @property
    def size(self) -> int:
        """Bytes to read; a guess where something far away does not tell."""
        if not isinstance(self.file, Found):
            return 0
        told = self.file.file.stat().st_size
        return told if isinstance(self.file.file, Path) else told or _UNKNOWN

    @property
    def identity(self) -> list[Any]:
        """What tells this file, as it is, from any other."""
        if not isinstance(self.file, Found):
            return [self.source.model_dump(mode="json"), str(self.file)]
        stat = self.file.file.stat()
        return [
            self.source.model_dump(mode="json"),
            str(self.file.file),
            self.file.path,
            stat.st_size,
            stat.st_mtime_ns,
        ]


def portions(items: Sequence[Item], size: int = _PORTION) -> Iterator[list[Item]]:
    """The items in order, cut where a portion would hold more than `size` bytes; a larger file is alone in one."""
    held: list[Item] = []
    held_size = 0
    for item in items:
        if held and held_size + item.size > size:
            yield held
            held, held_size = [], 0
        held.append(item)
        held_size += item.size
    if held:
        yield held


@dataclass(frozen=True)
class Finished:
    """What a portion that is whole tells: any JSON value, null too."""

    figures: Any


def finished(folder: Path, key: str) -> Finished | None:
    """What a portion tells that was finished for the very same work, which `key` names; None where it was not."""
    if not (folder / FINISHED).is_file():
        return None
    found = read_json(folder / FINISHED)
    return Finished(found["figures"]) if found["key"] == key else None


def finish(folder: Path, key: str, figures: Any) -> None:
    """Mark a portion as whole. `figures` is any JSON value."""
    write_json(folder / FINISHED, {"key": key, "figures": figures})


def begin(folder: Path) -> None:
    """Make way for a portion: whatever was there is not this one."""
    remove_folder(folder)
    folder.mkdir(parents=True)


def gather(folders: Sequence[Path], into: Path) -> None:
    """Make one corpus of the corpora in `folders`, in their order. Can be interrupted and repeated.

    Files without rows are left out where there are others. The portions stay, without taking room of their own, until
    whoever runs the stage deletes its scratch folder.
    """
    for part in (DOCUMENTS, REMOVED):
        files = [file for folder in folders for file in sorted((folder / part).glob("*.parquet"))]
        filled = [file for file in files if rows_in(file) > 0]
        remove_folder(into / part)
        (into / part).mkdir(parents=True)
        for number, file in enumerate(filled or files[:1]):
            _link(file, into / part / f"part-{number:05d}.parquet")


def _link(file: Path, place: Path) -> None:
    """The same file in a second place: without copying, where the disk can."""
    try:
        os.link(file, place)
    except OSError:
        temporary = place.with_name(f".{place.name}.tmp")
        shutil.copyfile(file, temporary)
        temporary.replace(place)
