"""A part of the input that any process can work on by itself, and how it is known to be done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.files import digest_value, read_json, remove_folder, write_json

if TYPE_CHECKING:
    from hornbook.documents import Shard

FINISHED = "finished.json"  # in a portion's folder once it is whole

Advance = Callable[[float], None]


@dataclass(frozen=True)
class Portion:
    """Work that any process can do by itself.

    `work` fills the folder it is given and returns figures (any JSON value), calling the function it is given with
    units as they are done; it travels to other processes, and so does all it holds. `key` names the work: inputs,
    settings. `size` is the bytes it reads from disk, `units` what a bar counts.
    """

    folder: Path
    key: str
    work: Callable[[Path, Advance], Any]
    size: int
    units: float

    @classmethod
    def over(cls, shard: Shard, folder: Path, work: Callable[[Path, Advance], Any], *key: Any) -> Portion:
        """Work on one file of a corpus. `key`: what it depends on besides that file, as JSON values."""
        return cls(folder, digest_value([shard.digest, *key]), work, shard.size, shard.rows)


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
