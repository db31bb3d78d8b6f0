"""Every file below a folder: what is read, what can't be, what is of another kind, and where links lead."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hornbook.corpus.read.kinds import Foreign, Found, Unreadable, suffix

OUT = "link out of the source"
_KNOWN = "link to what is read already"
_DANGLING = "dangling link"
_CIRCLE = "link in a circle"
_DEVICE = "link to a device, a pipe or a socket"
_NOT_REGULAR = "not a regular file"

Met = Found | Unreadable | Foreign


def walk(root: Path, leave_out: Callable[[str], bool], out: bool = False) -> Iterator[Met]:
    """Every file below `root`, in no order. Hidden names are skipped, and what `leave_out` says of a relative path.

    Links come last, in the order of their paths. One that leads to what is read without it is not followed, so that
    nothing is read twice and no circle ends nothing; one that leads out of `root` only if `out`.
    """
    look = _Walk(root.resolve(), leave_out, out)
    yield from look.folder(root, "")
    while look.links:
        links, look.links = sorted(look.links, key=lambda link: link[1]), []
        for link, path in links:
            yield from look.follow(link, path)


def spelled(path: str) -> str:
    """A path whose bytes are not UTF-8, made printable."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


@dataclass
class _Walk:
    """What was met so far: device and number of folders and of files that are read, and links to look at."""

    root: Path
    leave_out: Callable[[str], bool]
    out: bool
    seen: set[tuple[int, int]] = field(default_factory=set)
    links: list[tuple[Path, str]] = field(default_factory=list)

    def folder(self, top: Path, prefix: str) -> Iterator[Met]:
        """What is below a folder, `prefix` standing before its names."""
        refused: list[OSError] = []
        for place, folders, files in os.walk(top, onerror=refused.append):
            here = Path(place)
            self.seen.add(_identity(here.stat()))
            below = here.relative_to(top).as_posix()
            before = prefix if below == "." else f"{prefix}{below}/"
            kept = [name for name in folders if not (name.startswith(".") or self.leave_out(before + name))]
            self.links += [(here / name, before + name) for name in kept if (here / name).is_symlink()]
            folders[:] = [name for name in kept if not (here / name).is_symlink()]
            for name in files:
                if not name.startswith(".") and not self.leave_out(before + name):
                    yield from self._file(here / name, before + name)
        for error in refused:
            path = Path(error.filename).relative_to(top).as_posix()
            yield Unreadable(spelled(prefix + ("" if path == "." else path)), f"unreadable: {error.strerror}")

    def _file(self, file: Path, path: str) -> Iterator[Met]:
        try:
            found = file.lstat()
        except OSError as error:
            yield Unreadable(spelled(path), f"unreadable: {error.strerror}")
            return
        if stat.S_ISLNK(found.st_mode):
            self.links.append((file, path))
        elif not suffix(path):
            yield Foreign(spelled(path))
        elif stat.S_ISREG(found.st_mode):
            self.seen.add(_identity(found))
            yield Found(file, spelled(path))
        else:
            yield Unreadable(spelled(path), _NOT_REGULAR)

    def follow(self, link: Path, path: str) -> Iterator[Met]:
        """What a link leads to."""
        try:
            target = link.resolve(strict=True)
            found = target.stat()
        except (OSError, RuntimeError) as error:  # RuntimeError: a circle, before Python 3.13
            circle = isinstance(error, RuntimeError) or error.errno == errno.ELOOP
            known = _CIRCLE if circle else _DANGLING
            refused = isinstance(error, PermissionError)
            yield Unreadable(spelled(path), f"unreadable: {os.strerror(errno.EACCES)}" if refused else known)
            return
        folder = stat.S_ISDIR(found.st_mode)
        if not folder and not suffix(path):
            yield Foreign(spelled(path))
        elif not folder and not stat.S_ISREG(found.st_mode):
            yield Unreadable(spelled(path), _DEVICE, str(target))
        elif not (self.out or target.is_relative_to(self.root)):
            yield Unreadable(spelled(path), OUT, f"to {target}; links = true follows it")
        elif _identity(found) in self.seen:
            yield Unreadable(spelled(path), _KNOWN, f"to {target}")
        elif folder:
            yield from self.folder(target, f"{path}/")
        else:
            self.seen.add(_identity(found))
            yield Found(link, spelled(path))


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino
