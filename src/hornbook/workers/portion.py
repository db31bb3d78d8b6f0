"""A part of the input that any process can work on by itself, and how it is known to be done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.files import Kept, digest_file, digest_value, keep, kept, read_json, remove_folder

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


def finished(folder: Path, key: str) -> Kept | None:
    """What a portion tells that was finished for the very same work, which `key` names; None where it was not, or where
    one of its files is not what it was.
    """
    found = kept(folder / FINISHED, key)
    if found is None or found.result["files"] != _files(folder):
        return None
    return Kept(found.result["figures"])


def finish(folder: Path, key: str, figures: Any) -> Any:
    """Mark a portion as whole. `figures` is any JSON value, and comes back as JSON gives it back."""
    keep(folder / FINISHED, key, {"figures": figures, "files": _files(folder)})
    return read_json(folder / FINISHED)["result"]["figures"]


def _files(folder: Path) -> dict[str, str]:
    """The hashes of a portion's files."""
    there = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: digest_file(there[name]) for name in sorted(there) if name != FINISHED}


def begin(folder: Path) -> None:
    """Make way for a portion: whatever was there is not this one."""
    remove_folder(folder)
    folder.mkdir(parents=True)
