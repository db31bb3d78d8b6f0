"""What is to be read, file by file, cut into portions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hornbook.corpus.settings import Source
from hornbook.corpus.sources import Found, Unreadable

_PORTION = 64_000_000  # bytes of files, about
_UNKNOWN = 16_000_000  # taken for the bytes of a file that does not tell its size


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
