"""Empties the temporary folder between programs, whatever a program has built in it."""

from __future__ import annotations

import contextlib
from pathlib import Path


def empty(folder: Path) -> None:
    """Delete everything in `folder`.

    Folders are taken apart from the top: what lies in them moves up, and they go. So neither depth nor the length of
    a path matters, and no symbolic link is followed.
    """
    with contextlib.suppress(PermissionError):  # a program may have locked us out; where it cannot, nor can we unlock
        folder.chmod(0o700)
    moved = 0
    while entries := list(folder.iterdir()):
        for entry in entries:
            if not _is_folder(entry):
                entry.unlink()
                continue
            entry.chmod(0o700)
            for inner in list(entry.iterdir()):
                if not _is_folder(inner):
                    inner.unlink()
                    continue
                inner.chmod(0o700)  # to move a folder is to write to it
                moved += 1
                while (higher := folder / f".moved-{moved}").is_symlink() or higher.exists():
                    moved += 1
                inner.rename(higher)
            entry.rmdir()


def remove(folder: Path) -> None:
    """Delete `folder` and everything in it, as far as the system lets us."""
    with contextlib.suppress(OSError):
        empty(folder)
        folder.rmdir()


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
