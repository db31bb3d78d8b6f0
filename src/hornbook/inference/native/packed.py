"""Weights as the library packs them, kept in a file of its own that the next start maps: nothing is packed twice.

A file serves the weights and the library that it was made with, and nobody else: its key is what config.json says,
where each tensor lies, the library's own bytes, and of each file of weights what the system changes with its content.
What is damaged, somebody else's or cut short is made again.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hornbook.errors import UserError
from hornbook.files import digest_file, digest_value, sweep_beside, write_parts
from hornbook.inference.native.weights import Folder, Region
from hornbook.machine import kept_in

PACKED = "HORNBOOK_PACKED"  # an environment variable: GB that all files together may take, 0 for none
_GB = 10.0
_LEAST = 500e6  # bytes of weights; fewer are packed in half a second
_FILE, _MARK, _HEAD = "weights", b"hornbook packed weights\n", 4096


@dataclass(frozen=True)
class Place:
    """Where the packed weights of a model folder are kept. limit: bytes that those of all models may take."""

    path: Path
    key: str
    limit: float

    def read(self, library: ctypes.CDLL) -> NDArray[np.uint8] | None:
        """All matrices, one behind the other, mapped; None where there is no file, or none that is to be used."""
        try:
            with self.path.open("rb") as file:
                about = os.fstat(file.fileno())
                if about.st_uid != os.getuid() or about.st_size <= _HEAD:
                    return None
                flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
                pages = np.frombuffer(mmap.mmap(file.fileno(), 0, flags=flags, prot=mmap.PROT_READ), np.uint8)
            matrices = pages[_HEAD:]
            if pages[:_HEAD].tobytes() != self._head(library, [(matrices.ctypes.data, len(matrices))]):
                return None
            os.utime(self.path)
        except OSError:
            return None
        return matrices

    def write(self, library: ctypes.CDLL, regions: Sequence[Region]) -> None:
        """Keep packed matrices, if there is room on the disk; files of models that were used least recently leave."""
        size = sum(count for _, count in regions)
        # What cannot be kept is packed again.
        with suppress(OSError):
            sweep_beside(self.path)
            self._leave(self.limit - size)
            if shutil.disk_usage(self.path.parent).free > 2 * size:
                parts = [memoryview((ctypes.c_uint8 * count).from_address(address)) for address, count in regions]
                write_parts(self.path, [self._head(library, regions), *parts])

    def _head(self, library: ctypes.CDLL, regions: Sequence[Region]) -> bytes:
        """How a file with these matrices begins."""
        state = (ctypes.c_uint64 * 8)()
        for address, count in regions:
            library.hornbook_sum(state, address, count)
        told = {"key": self.key, "bytes": sum(count for _, count in regions), "sum": list(state)}
        return (_MARK + json.dumps(told).encode()).ljust(_HEAD, b"\n")

    def _leave(self, room: float) -> None:
        """Delete other models' files until all of them take no more than `room` bytes."""
        others = [path for path in self.path.parent.parent.glob(f"*/{_FILE}") if path != self.path and _ours(path)]
        others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        for path in others:
            room -= path.stat().st_size
            if room < 0:
                path.unlink()


def place(library: ctypes.CDLL, folder: Folder) -> Place | None:
    """Where a folder's packed weights belong; None where they are few, too many, or none are to be kept."""
    limit = _limit()
    files = sorted({entry.file for entry in folder.stored.values()})
    known = [path.stat() for path in files]
    if not _LEAST <= sum(one.st_size for one in known) <= limit:
        return None
    try:
        home = kept_in("packed", str(files[0].parent.resolve()))
    except UserError:
        return None
    key = {
        "library": digest_file(Path(library._name)),
        "config": folder.config.model_dump(mode="json"),
        "tensors": {name: [one.file.name, one.code, one.shape, one.start] for name, one in folder.stored.items()},
        "files": [[one.st_ino, one.st_size, one.st_mtime_ns, one.st_ctime_ns] for one in known],
    }
    return Place(home / _FILE, digest_value(key), limit)


def _limit() -> float:
    told = os.environ.get(PACKED, "") or str(_GB)
    try:
        return float(told) * 1e9
    except ValueError:
        raise UserError(f"{PACKED} is {told!r}; it says how many GB packed weights may take, 0 for none") from None


def _ours(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_MARK)) == _MARK
