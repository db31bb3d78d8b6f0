"""A root folder of its own, holding only what Python needs, read-only, and one writable folder: /tmp."""

from __future__ import annotations

import os
import re
import shutil
import stat
import sys
from pathlib import Path

from . import kernel

# Where Python itself lies below /tmp, a folder there would cover it.
FOLDER = "/work" if any(path.startswith("/tmp/") for path in map(os.path.normpath, sys.path)) else "/tmp"
_FOLDER_INODES = 1024
_OLD = "/old"
_NULL = "/dev/null"
_COPY_BYTES = 256 << 20
_LEFT_OUT = frozenset({"site-packages", "dist-packages", "test", "tests", "idlelib", "turtledemo", "ensurepip"})
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


def build_root(folder_bytes: int, copy_library: bool) -> None:
    """Replace this mount namespace's root. Wants CAP_SYS_ADMIN over it; raises OSError when something is refused.

    `copy_library`: show a copy that everybody may read of a standard library that only its owner may.
    """
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
        if copy_library and path in sys.path:
            _mount_copy(_OLD + source, path)
        else:
            _bind(_OLD + source, path)
    _bind_null()
    _lock_binds()
    for path, _ in wanted:
        _cover_packages(path)
    Path(FOLDER).mkdir(exist_ok=True)
    mount_folder(folder_bytes)
    kernel.unmount(_OLD)
    Path(_OLD).rmdir()
    kernel.mount(
        "", "/", flags=kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | kernel.MS_NOSUID | kernel.MS_NODEV
    )
    os.chdir(FOLDER)


def mount_folder(folder_bytes: int) -> None:
    """A new, empty temporary folder."""
    options = f"mode=1777,size={folder_bytes},nr_inodes={_FOLDER_INODES}"
    kernel.mount("tmpfs", FOLDER, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC, options)


def library_is_public() -> bool:
    """Whether somebody else than the owner may read the standard library."""
    folders = [Path(path) for path in sys.path if Path(path).is_dir()]
    return bool(Path(os.__file__).stat().st_mode & stat.S_IROTH) and all(
        folder.stat().st_mode & stat.S_IXOTH for folder in folders
    )


def copy_public(source: Path, target: Path) -> None:
    """Copy a library, times and all, such that everybody may read it; packages and the library's own tests stay."""
    for entry in os.scandir(source):
        there = target / entry.name
        if entry.is_symlink():
            there.symlink_to(Path(entry.path).readlink())
        elif entry.is_dir():
            if entry.name not in _LEFT_OUT:
                there.mkdir()
                copy_public(Path(entry.path), there)
        elif entry.is_file():
            shutil.copyfile(entry.path, there)
            there.chmod(0o644)
            os.utime(there, ns=(entry.stat().st_atime_ns, entry.stat().st_mtime_ns))


def _mount_copy(source: str, target: str) -> None:
    """A copy of a folder or of a file, in a file system of its own."""
    if not Path(source).is_dir():
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        return
    Path(target).mkdir(parents=True, exist_ok=True)
    kernel.mount("tmpfs", target, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, f"mode=755,size={_COPY_BYTES}")
    copy_public(Path(source), Path(target))


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
    """/dev/null where the machine allows it."""
    try:
        _bind(_OLD + _NULL, _NULL)
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
        flags |= kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | kernel.MS_NOSUID
        if path != _NULL:
            flags |= kernel.MS_NODEV
        kernel.mount("", path, flags=flags)


def _cover_packages(path: str) -> None:
    """Hide installed packages, which lie within the standard library's folder, under an empty folder."""
    for name in ("site-packages", "dist-packages"):
        for folder in [*Path(path).glob(name), *Path(path).glob(f"python3*/{name}")]:
            flags = kernel.MS_RDONLY | kernel.MS_NOSUID | kernel.MS_NODEV
            kernel.mount("tmpfs", str(folder), "tmpfs", flags, "mode=755,size=4k,nr_inodes=2")
