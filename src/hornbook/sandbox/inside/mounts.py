"""A root folder of its own, holding only what Python needs, read-only, and one writable folder: /tmp."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from . import kernel

FOLDER = "/tmp"
_FOLDER_INODES = 1024
_OLD = "/old"
_BASES = ("/tmp", "/mnt", "/var/tmp", "/run", "/srv", "/opt", "/dev", "/var")

# A remount has to repeat the flags its mount is locked to, or the kernel refuses it.
_FLAGS = {
    "nosuid": kernel.MS_NOSUID,
    "nodev": kernel.MS_NODEV,
    "noexec": kernel.MS_NOEXEC,
    "noatime": kernel.MS_NOATIME,
    "nodiratime": kernel.MS_NODIRATIME,
    "relatime": kernel.MS_RELATIME,
}


def build_root(folder_bytes: int) -> None:
    """Replace this mount namespace's root. Wants CAP_SYS_ADMIN over it; raises OSError when something is refused."""
    wanted = [(path, os.path.realpath(path)) for path in _outermost(_wanted_folders()) + _wanted_files()]
    base = next(path for path in _BASES if Path(path).is_dir())
    os.umask(0o022)
    kernel.mount("", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("tmpfs", base, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=755,size=1m,nr_inodes=4096")
    Path(base + _OLD).mkdir()
    os.chdir(base)
    # What `base` covers is in sight again once the pivot has moved the cover away.
    kernel.pivot_root(base, base + _OLD)
    os.chdir("/")
    for path, source in wanted:
        _bind(_OLD + source, path)
    _lock_binds()
    _bind_null()
    for path, _ in wanted:
        _cover_packages(path)
    Path(FOLDER).mkdir(exist_ok=True)
    options = f"mode=1777,size={folder_bytes},nr_inodes={_FOLDER_INODES}"
    kernel.mount("tmpfs", FOLDER, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC, options)
    kernel.unmount(_OLD)
    Path(_OLD).rmdir()
    kernel.mount(
        "", "/", flags=kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | kernel.MS_NOSUID | kernel.MS_NODEV
    )
    os.chdir(FOLDER)


def _wanted_folders() -> list[str]:
    """The standard library (under -S all of sys.path is) and the system's shared libraries."""
    triplet = getattr(sys.implementation, "_multiarch", "")
    libraries = [f"/lib/{triplet}", f"/usr/lib/{triplet}", "/lib64", "/usr/lib64"] if triplet else []
    if not any(Path(path).is_dir() for path in libraries):
        libraries = ["/lib", "/usr/lib"]
    return [path for path in [*sys.path, *libraries] if path.startswith("/") and Path(path).is_dir()]


def _wanted_files() -> list[str]:
    """Shared libraries that lie beside the standard library, where Python has a prefix of its own."""
    own = [] if sys.base_prefix == "/usr" else sorted(map(str, Path(sys.base_prefix, "lib").glob("*.so*")))
    return [path for path in [*own, *sys.path, "/etc/ld.so.cache"] if Path(path).is_file()]


def _outermost(folders: list[str]) -> list[str]:
    """Each folder once, without those that lie in another."""
    kept: list[str] = []
    for folder in sorted({os.path.normpath(folder) for folder in folders}, key=lambda path: (len(path), path)):
        if not any(folder.startswith(outer + "/") for outer in kept):
            kept.append(folder)
    return kept


def _bind(source: str, target: str) -> None:
    if Path(source).is_dir():
        Path(target).mkdir(parents=True, exist_ok=True)
    else:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        Path(target).touch()
    kernel.mount(source, target, flags=kernel.MS_BIND | kernel.MS_REC)


def _bind_null() -> None:
    """/dev/null where the machine allows it; its mount has to stay without nodev."""
    try:
        _bind(_OLD + "/dev/null", "/dev/null")
    except OSError:
        return


def _lock_binds() -> None:
    """Make every bind read-only, and those that came along below it: a bind alone takes no flags."""
    listing = Path(_OLD + "/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    for line in listing.splitlines():
        fields = line.split(" ")
        # proc(5): the fifth field is the mount point, with \ooo for blanks; the sixth its own options.
        path = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields[4])
        if path == "/" or (path + "/").startswith(_OLD + "/"):
            continue
        options = set(fields[5].split(","))
        flags = sum(flag for name, flag in _FLAGS.items() if name in options)
        if not options & {"noatime", "relatime"}:
            flags |= kernel.MS_STRICTATIME
        flags |= kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | kernel.MS_NOSUID | kernel.MS_NODEV
        kernel.mount("", path, flags=flags)


def _cover_packages(path: str) -> None:
    """Hide installed packages, which lie within the standard library's folder, under an empty folder."""
    for name in ("site-packages", "dist-packages"):
        for folder in [*Path(path).glob(name), *Path(path).glob(f"python3*/{name}")]:
            flags = kernel.MS_RDONLY | kernel.MS_NOSUID | kernel.MS_NODEV
            kernel.mount("tmpfs", str(folder), "tmpfs", flags, "mode=755,size=4k,nr_inodes=2")
