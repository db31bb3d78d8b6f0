"""Becomes pid 1 of fresh namespaces: no network, no other processes, a root folder of its own, no privileges."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
from pathlib import Path

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
_SECONDS_BETWEEN_LOOKS = 1.0


def enter(parent: int, folder_bytes: int) -> None:
    """Return as pid 1 of fresh namespaces, with the capabilities that `confine` drops.

    The calling process stays outside as keeper and does not return: it ends when pid 1 does, and ends pid 1 when
    the process numbered `parent` is gone. Raises OSError (in the caller or in pid 1) when the system refuses.
    """
    inside_user = _leave_namespaces()
    pid = os.fork()
    if pid:
        _keep(pid, parent)
    os.setsid()
    mounts.build_root(folder_bytes)
    _give_up_privileges(inside_user)


def _leave_namespaces() -> int | None:
    """Unshare and map the user. Returns the user to become inside, or None to stay who one is."""
    user, group = os.geteuid(), os.getegid()
    helper = _Mapper() if user == 0 else None
    flags = _unshare(may_keep_user=user == 0)
    if not flags & kernel.CLONE_NEWUSER:
        if helper:
            helper.dismiss()
        return _NOBODY if _library_is_public() else None
    if helper and helper.map_two_users() and _library_is_public():
        return _NOBODY_INSIDE
    if not helper or not helper.mapped:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    return None


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
    """A helper that stays root outside and maps nobody into the user namespace, so that pid 1 can become nobody.

    For root the kernel does not count processes; for nobody it does, and what nobody owns is nothing.
    """

    def __init__(self) -> None:
        self.mapped = False
        target = os.getpid()
        self._orders, self._send = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._send)
            done = False
            try:
                if os.read(self._orders, 1):
                    folder = Path(f"/proc/{target}")
                    (folder / "uid_map").write_text(f"0 0 1\n{_NOBODY_INSIDE} {_NOBODY} 1")
                    (folder / "setgroups").write_text("deny")
                    (folder / "gid_map").write_text(f"0 0 1\n{_NOBODY_INSIDE} {_NOBODY} 1")
                    done = True
            finally:
                os._exit(0 if done else 1)
        os.close(self._orders)

    def map_two_users(self) -> bool:
        """Have the maps written. False, with the user map untouched, when that is refused."""
        os.write(self._send, b"!")
        self.mapped = self.dismiss() == 0
        return self.mapped

    def dismiss(self) -> int:
        """End the helper and return its exit code."""
        os.close(self._send)
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])


def _library_is_public() -> bool:
    """Whether somebody else than the owner may read the standard library."""
    file = Path(os.__file__)
    return bool(file.stat().st_mode & stat.S_IROTH) and bool(file.parent.stat().st_mode & stat.S_IXOTH)


def _keep(pid: int, parent: int) -> None:
    """Outlive pid 1 and nothing else. Never returns."""
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1):
            os.dup2(nothing, descriptor)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        while os.waitpid(pid, os.WNOHANG) == (0, 0):
            if os.getppid() != parent:
                os.kill(pid, signal.SIGKILL)
            signal.sigtimedwait({signal.SIGCHLD}, _SECONDS_BETWEEN_LOOKS)
    finally:
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
    """Change to `user`. In a container that does not know nobody we stay who we are, which is a lesser shield only."""
    if user == _NOBODY:  # in a user namespace of ours there are no groups to leave, and it is forbidden
        with contextlib.suppress(OSError):
            os.setgroups([])
    with contextlib.suppress(OSError):
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
