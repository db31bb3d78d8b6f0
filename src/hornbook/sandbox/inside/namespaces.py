"""Becomes pid 1 of fresh namespaces: no network, no other processes, a root folder of its own, no privileges."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
from pathlib import Path
from typing import NoReturn

from . import kernel, mounts

_ALL = (
    kernel.CLONE_NEWUSER
    | kernel.CLONE_NEWNS
    | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWNET
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUTS
    | kernel.CLONE_NEWCGROUP
)
_NOBODY = 65534
_NOBODY_INSIDE = 1
_MILLISECONDS_BETWEEN_LOOKS = 1_000
_RENEW = b"!"


class Keeper:
    """The process outside, as pid 1 sees it: it mounts a new temporary folder when asked."""

    def __init__(self, ask: int, told: int) -> None:
        self._ask, self._told = ask, told
        self._asked = False

    def renew(self) -> None:
        """Ask for a new folder; goes on at once."""
        os.write(self._ask, _RENEW)
        self._asked = True

    def await_renewed(self) -> None:
        """Wait for the folder that was asked for, and go there. Raises EOFError when the keeper is gone."""
        if self._asked:
            if not os.read(self._told, 1):
                raise EOFError
            self._asked = False
            os.chdir(mounts.FOLDER)

    def remove(self) -> None:
        """Nothing to do: the folder goes with the namespace."""


def enter(parent: int, folder_bytes: int) -> Keeper:
    """Return as pid 1 of fresh namespaces, without privileges.

    The calling process stays outside as keeper and does not return: it ends when pid 1 does, and ends pid 1 when
    the process numbered `parent` is gone. Raises OSError (in the caller or in pid 1) when the system refuses.
    """
    inside_user = _leave_namespaces()
    asked, ask = os.pipe()
    told, tell = os.pipe()
    nothing = os.open(os.devnull, os.O_RDWR)
    pid = os.fork()
    if pid:
        for descriptor in (0, 1, ask, told):
            os.dup2(nothing, descriptor)
        _keep(pid, parent, asked, tell, folder_bytes)
    for descriptor in (asked, tell, nothing):
        os.close(descriptor)
    os.setsid()
    mounts.build_root(folder_bytes, copy_library=inside_user is not None and not mounts.library_is_public())
    _give_up_privileges(inside_user)
    return Keeper(ask, told)


def _leave_namespaces() -> int | None:
    """Unshare and map the user. Returns the user to become inside, or None to stay who one is: never root."""
    user, group = os.geteuid(), os.getegid()
    maps = [Path(f"/proc/self/{name}_map").read_text() for name in ("uid", "gid")]
    nobody = unprivileged(*maps) if user == 0 else None
    if nobody is None:
        if user == 0 and is_root_outside(maps[0]):
            raise OSError(errno.EPERM, "a user who is not root: none is known in this namespace")
        _unshare(may_keep_user=False)
        _map(f"0 {user} 1", f"0 {group} 1", Path("/proc/self"))
        return None
    with contextlib.suppress(OSError):  # refused where somebody has forbidden it, and then there are none
        os.setgroups([])
    helper = _Mapper(nobody)
    if not _unshare(may_keep_user=True) & kernel.CLONE_NEWUSER:
        helper.dismiss()
        return nobody
    if not helper.map_two_users():
        raise OSError(errno.EPERM, "a user who is not root: the map of users is refused")
    return _NOBODY_INSIDE


def unprivileged(*maps: str) -> int | None:
    """A number that stands for somebody other than root in each of these maps (user_namespaces(7)): nobody's, else the
    highest; None where there is none.
    """
    common: set[int] | None = None
    for text in maps:
        ranges = [(int(first), int(count)) for first, _, count in map(str.split, text.splitlines())]
        known = {_NOBODY} if any(first <= _NOBODY < first + count for first, count in ranges) else set()
        known |= {first + count - 1 for first, count in ranges if 0 < first + count - 1 < _NOBODY}
        common = known if common is None else common & known
    return max(common) if common else None


def is_root_outside(users: str) -> bool:
    """Whether root of this namespace is root in the one around it too, by its map of users."""
    return any(line.split()[:2] == ["0", "0"] for line in users.splitlines())


def _map(users: str, groups: str, process: Path) -> None:
    (process / "setgroups").write_text("deny")
    (process / "gid_map").write_text(groups)
    (process / "uid_map").write_text(users)


def _unshare(may_keep_user: bool) -> int:
    """Unshare as much as the kernel allows: a cgroup namespace is a bonus, a user namespace one where we are root."""
    choices = [_ALL, _ALL & ~kernel.CLONE_NEWCGROUP]
    if may_keep_user:
        choices += [flags & ~kernel.CLONE_NEWUSER for flags in choices]
    refusal = OSError()
    for flags in choices:
        try:
            kernel.unshare(flags)
            return flags
        except OSError as error:
            refusal = error
    raise refusal


class _Mapper:
    """A helper that stays outside and maps an unprivileged user into the user namespace, for pid 1 to become.

    What root owns is then out of reach, and for others the kernel counts processes.
    """

    def __init__(self, nobody: int) -> None:
        target = os.getpid()
        self._orders, self._send = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._send)
            done = False
            try:
                if os.read(self._orders, 1):
                    both = f"0 0 1\n{_NOBODY_INSIDE} {nobody} 1"  # root for the keeper, who mounts
                    _map(both, both, Path(f"/proc/{target}"))
                    done = True
            finally:
                os._exit(0 if done else 1)
        os.close(self._orders)

    def map_two_users(self) -> bool:
        """Have the maps written. False when that is refused."""
        os.write(self._send, b"!")
        return self.dismiss() == 0

    def dismiss(self) -> int:
        """End the helper and return its exit code."""
        os.close(self._send)
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])


def _keep(pid: int, parent: int, asked: int, tell: int, folder_bytes: int) -> NoReturn:
    """Outlive pid 1 and nothing else; mount a new temporary folder whenever pid 1 asks."""
    try:
        watch = select.poll()
        watch.register(asked, select.POLLIN)
        while True:
            if not watch.poll(_MILLISECONDS_BETWEEN_LOOKS):
                if os.getppid() != parent:
                    os.kill(pid, signal.SIGKILL)
                continue
            if not os.read(asked, 1):
                break
            kernel.unmount(mounts.FOLDER)
            mounts.mount_folder(folder_bytes)
            os.write(tell, _RENEW)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os._exit(0)


def _give_up_privileges(user: int | None) -> None:
    """Become `user`, then drop every capability; the order matters, each step needs what the next takes away."""
    kernel.drop_bounding_capabilities()
    if user is not None:
        _become(user)
    kernel.drop_capabilities()
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    # Last, because a change of user clears it.
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)


def _become(user: int) -> None:
    """Change to `user`; the group has the same number."""
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
