"""Linux calls for which Python has no function, by ctypes. Each raises OSError saying what failed."""

from __future__ import annotations

import ctypes
import os
import platform

CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x02000000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_NOATIME, MS_NODIRATIME, MS_BIND, MS_REC, MS_PRIVATE = 1024, 2048, 4096, 16384, 1 << 18
MS_RELATIME, MS_STRICTATIME = 1 << 21, 1 << 24
MNT_DETACH = 2

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP = 1, 4, 22, 24
PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 38, 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_CAPABILITY_VERSION_3 = 0x20080522
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}

_libc = ctypes.CDLL(None, use_errno=True)
_libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
_libc.mount.argtypes = [ctypes.c_char_p] * 3 + [ctypes.c_ulong, ctypes.c_char_p]


def _check(result: int, doing: str) -> None:
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, f"{doing}: {os.strerror(code)}")


def unshare(flags: int) -> None:
    """Leave the namespaces that `flags` name for fresh ones."""
    _check(_libc.unshare(flags), "fresh namespaces (unshare)")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """mount(2)."""
    arguments = (os.fsencode(text) if text else None for text in (source, target, kind))
    _check(_libc.mount(*arguments, flags, options.encode() or None), f"mount on {target}")


def unmount(target: str) -> None:
    """Detach a mount and everything below it."""
    _check(_libc.umount2(os.fsencode(target), MNT_DETACH), f"unmount {target}")


def pivot_root(fresh: str, old: str) -> None:
    """Make `fresh` the root of this mount namespace and hang the former root at `old`, a folder within it."""
    number = _PIVOT_ROOT[platform.machine()]
    _check(_libc.syscall(number, os.fsencode(fresh), os.fsencode(old)), "a root of its own (pivot_root)")


def prctl(option: int, value: int = 0, extra: int = 0) -> None:
    """prctl(2)."""
    _check(_libc.prctl(option, value, extra, 0, 0), f"prctl {option}")


def drop_bounding_capabilities() -> None:
    """Empty the bounding set, so that nothing started later can gain a capability."""
    for capability in range(64):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError:  # past the last one that this kernel knows
            if capability < 32:
                raise
            return


def drop_capabilities() -> None:
    """Give up every capability for good."""
    prctl(PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _check(_libc.capset(header, nothing), "giving up capabilities (capset)")
