"""The supervisor: takes groups of programs on standard input, runs each group in a fork, answers on standard output.

Started once by `hornbook.sandbox.supervisor`, it needs nothing but the standard library. Under isolation this is
pid 1 of its own namespaces: when it ends, the kernel ends everything in them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import importlib
import json
import math
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, Protocol

from . import confine, folders, runner, wire

# What programs like to import, loaded once so that a fork finds it there. Every page they take slows every fork, so
# modules that drag many others along (hashlib, threading) are not among them.
_COMMON = (
    "math", "cmath", "re", "string", "itertools", "functools", "operator", "collections", "collections.abc", "heapq",
    "bisect", "typing", "copy", "dataclasses", "enum", "datetime", "json", "fractions", "decimal", "random",
)  # fmt: skip

_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_SECONDS_BETWEEN_LOOKS = 1.0


def main(settings: str) -> None:
    """Set up, say so (`{"ready": true}` or `{"ready": false, "why": ...}`), then serve until the other side closes.

    `settings` is JSON: the fields of `confine.Rules` as `rules`, the `parent` process's number, and the writable
    `folder` (used without isolation only; under isolation it is /tmp of a file system of its own).
    """
    wanted = json.loads(settings)
    rules = confine.Rules(**wanted["rules"])
    try:
        server = _isolated(rules, wanted["parent"]) if rules.isolated else _plain(rules, wanted)
    except Exception as error:
        why = str(error).removeprefix(f"[Errno {getattr(error, 'errno', None)}] ")
        _answer(json.dumps({"ready": False, "why": " ".join(why.split())}).encode())
        return
    _answer(json.dumps({"ready": True}).encode())
    server.serve()


def _isolated(rules: confine.Rules, parent: int) -> _Server:
    from . import namespaces, seccomp

    for_all, against_forking = seccomp.filters()
    keeper = namespaces.enter(parent, rules.folder_bytes)
    _settle()
    for_all.put_on()
    server = _Server(rules, keeper, parent=None, put_on_filter=against_forking.put_on)
    server.rehearse()
    return server


def _plain(rules: confine.Rules, wanted: dict[str, Any]) -> _Server:
    os.chdir(wanted["folder"])
    _settle()
    return _Server(rules, _PlainFolder(Path(wanted["folder"])), parent=wanted["parent"], put_on_filter=None)


class _PlainFolder:
    """The temporary folder where nothing can be mounted: one for all programs, emptied after each."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def renew(self) -> None:
        """Have it empty."""
        folders.empty(self._path)

    def await_renewed(self) -> None:
        """It is, by now."""

    def remove(self) -> None:
        """Have it gone."""
        folders.remove(self._path)


def _settle() -> None:
    """Make this process a good thing to fork: common modules loaded, nothing of ours in reach, signals ignored."""
    # `random` would seed itself anew in every fork; ours all start from the same state.
    register, os.register_at_fork = os.register_at_fork, lambda **hooks: None
    for name in _COMMON:
        importlib.import_module(name)
    os.register_at_fork = register
    sys.modules["random"].seed(0)
    home = str(Path.cwd())
    os.environ.clear()
    os.environ.update(PATH="/usr/bin:/bin", HOME=home, TMPDIR=home, LANG="C.UTF-8")
    sys.argv[:] = [""]
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_NOFILE, (confine.OPEN_FILES, confine.OPEN_FILES))
    gc.collect()
    gc.freeze()  # so that collections in a fork leave these pages shared


def _answer(body: bytes) -> None:
    wire.write_all(1, wire.frame(body))


class _Folder(Protocol):
    """The temporary folder that programs work in."""

    def renew(self) -> None:
        """Begin to have nothing of the last program left in it."""

    def await_renewed(self) -> None:
        """Return when nothing is left."""

    def remove(self) -> None:
        """No program needs it any more."""


class _Server:
    """Serves requests one after the other. `parent`: whose end to watch for, where the kernel does not."""

    def __init__(
        self,
        rules: confine.Rules,
        folder: _Folder,
        parent: int | None,
        put_on_filter: Callable[[], None] | None,
    ) -> None:
        self._rules, self._folder, self._parent = rules, folder, parent
        self._put_on_filter = put_on_filter

    def rehearse(self) -> None:
        """Run a program under generous limits, so that a sandbox that cannot work is not called one."""
        asked = self._rules
        self._rules = dataclasses.replace(asked, seconds=20.0, memory_bytes=1 << 30)
        answer = self._run([("def f():\n    return 1\n", "f", [wire.pack(())])])
        self._rules = asked
        if answer[wire.ENDING.size :] != wire.record(wire.VALUE, "1") + wire.record(wire.DONE):
            ending, status = wire.ENDING.unpack_from(answer)
            raise OSError(f"a first program in the sandbox did not come back (ending {ending}, status {status})")

    def serve(self) -> None:
        """Answer until standard input ends."""
        try:
            while True:
                self._wait_for_request()
                _answer(self._run(wire.unpack(wire.read_frame(0))))
        except (EOFError, BrokenPipeError):
            pass
        finally:
            self._folder.remove()

    def _wait_for_request(self) -> None:
        """Without isolation somebody else may hold our standard input open after the parent's end."""
        while self._parent is not None and not select.select([0], [], [], _SECONDS_BETWEEN_LOOKS)[0]:
            if os.getppid() != self._parent:
                raise EOFError

    def _run(self, group: list[runner.Work]) -> bytes:
        """Run one group in a fork, with pipes and a temporary folder that nobody had before; the answer's body."""
        self._folder.await_renewed()
        empty, no_writer = os.pipe()
        os.close(no_writer)
        printed_from, printed = os.pipe()
        source, results = os.pipe()
        ends = confine.Ends(empty, printed, results)
        pid = os.fork()
        if pid == 0:
            self._be_the_fork(group, ends)
        for descriptor in (empty, printed, results):
            os.close(descriptor)
        try:
            ending, data = self._collect(pid, source, printed_from, len(group))
        finally:
            os.close(source)
            os.close(printed_from)
            status = self._end(pid)
        self._folder.renew()
        return wire.ENDING.pack(ending, status) + data

    def _be_the_fork(self, group: list[runner.Work], ends: confine.Ends) -> NoReturn:
        leave, write_all = os._exit, wire.write_all
        try:
            os.setpgid(0, 0)  # so that what is sent to the whole group stays in the fork
            confine.confine(self._rules, ends, self._put_on_filter)
            write_all(confine.RESULTS, b"".join(runner.run(work, self._rules.output_bytes) for work in group))
            leave(0)
        finally:
            leave(1)

    def _collect(self, pid: int, source: int, printed: int, programs: int) -> tuple[int, bytes]:
        """Read what the fork answers until it ends, its time is over, or it has answered more than it may.

        What it prints is read as well and thrown away, so that it never waits for a reader.
        Raises EOFError when the other side of the sandbox is gone.
        """
        room = programs * (2 * self._rules.output_bytes + (1 << 16))
        started = time.monotonic()
        watch = select.poll()
        watch.register(source, select.POLLIN)
        watch.register(printed, select.POLLIN)
        watch.register(0, 0)  # reports only that the other end has closed
        pieces: list[bytes] = []
        while (left := self._seconds_left(pid, started)) > 0:
            ready = {descriptor for descriptor, _ in watch.poll(min(left, _SECONDS_BETWEEN_LOOKS) * 1000)}
            if 0 in ready or self._is_orphan():
                raise EOFError
            if printed in ready and not os.read(printed, 1 << 16):
                watch.unregister(printed)
            if source not in ready:
                continue
            piece = os.read(source, 1 << 16)
            if not piece:
                return wire.FINISHED, b"".join(pieces)
            pieces.append(piece)
            room -= len(piece)
            if room < 0:
                return wire.OVERFLOW, b""
        return wire.TIMEOUT, b""

    def _seconds_left(self, pid: int, started: float) -> float:
        """How long the fork may go on before its time has to be looked at again; none is left where it is 0 or less."""
        passed = time.monotonic() - started
        if passed < self._rules.seconds:
            return self._rules.seconds - passed
        allowed = self._rules.seconds * self._rules.patience
        return min(self._rules.seconds - _computed_seconds(pid), allowed - passed)

    def _is_orphan(self) -> bool:
        return self._parent is not None and os.getppid() != self._parent

    def _end(self, pid: int) -> int:
        """Kill whatever the group has left behind, reap it, and return the fork's wait status."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self._rules.isolated:
                os.kill(-1, signal.SIGKILL)
            else:
                os.kill(pid, signal.SIGKILL)  # it may not have made its group yet
                os.killpg(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
        with contextlib.suppress(ChildProcessError):
            while self._rules.isolated:  # as pid 1 we inherit orphans
                os.waitpid(-1, 0)
        return status


def _computed_seconds(pid: int) -> float:
    """What a process has computed, by Linux's clock of it (clock_getcpuclockid(3)); endless where there is none."""
    try:
        return time.clock_gettime(~pid << 3 | 2)
    except OSError:
        return math.inf
