"""Starts, talks to and ends the supervisor process of `inside.supervisor`."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
import weakref
from dataclasses import asdict
from pathlib import Path

from hornbook.sandbox.inside import wire
from hornbook.sandbox.program import Limits

_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from inside.supervisor import main; del sys.path[0]; main(sys.argv[2])"
)
_START_SECONDS = 30.0
_MAX_ANSWER_BYTES = 1 << 30


class RefusedError(Exception):
    """The supervisor did not come up; the message says why."""


class LostError(Exception):
    """The supervisor ended (or stopped answering, when `hung`) in the middle of a request."""

    def __init__(self, hung: bool) -> None:
        super().__init__("hung" if hung else "ended")
        self.hung = hung


class Supervisor:
    """One running supervisor. Ends with `stop`, when collected, at exit, and when this process is killed."""

    def __init__(self, limits: Limits, isolated: bool) -> None:
        """Raises RefusedError when the platform refuses what is asked for."""
        folder = None if isolated else tempfile.mkdtemp(prefix="hornbook-sandbox-")
        settings = {"rules": {"isolated": isolated, **asdict(limits)}, "parent": os.getpid(), "folder": folder}
        # -s -S -P: no packages, no folder of the caller's. -I would do the same but ignore PYTHONHASHSEED.
        self._process = subprocess.Popen(
            [_interpreter(), "-s", "-S", "-P", "-B", "-X", "utf8", "-c", _BOOT, _this_folder(), json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PYTHONHASHSEED": "0"},
            cwd=folder or "/",
            bufsize=0,
            start_new_session=True,  # Ctrl-C is for us to handle
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to, self._from = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._to, False)
        os.set_blocking(self._from, False)
        self.stop = weakref.finalize(self, _stop, self._process, folder, os.getpid())
        try:
            said = json.loads(self._receive(time.monotonic() + _START_SECONDS))
        except LostError as lost:
            self.stop()
            raise RefusedError(
                f"the supervisor {'does not answer' if lost.hung else 'ended while it started'}"
            ) from None
        except BaseException:
            self.stop()
            raise
        if not said["ready"]:
            self.stop()
            raise RefusedError(said["why"])

    def exchange(self, request: bytes, seconds: float) -> bytes:
        """Send a request's body and return the answer's. Raises LostError when there is none within `seconds`."""
        deadline = time.monotonic() + seconds
        self._send(wire.frame(request), deadline)
        return self._receive(deadline)

    def _send(self, data: bytes, deadline: float) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._to, view) :]
            except BlockingIOError:
                _wait(self._to, select.POLLOUT, deadline)
            except BrokenPipeError:
                raise LostError(hung=False) from None

    def _receive(self, deadline: float) -> bytes:
        (length,) = wire.LENGTH.unpack(self._read(wire.LENGTH.size, deadline))
        if length > _MAX_ANSWER_BYTES:
            raise LostError(hung=False)
        return self._read(length, deadline)

    def _read(self, count: int, deadline: float) -> bytes:
        pieces = []
        while count:
            try:
                piece = os.read(self._from, count)
            except BlockingIOError:
                _wait(self._from, select.POLLIN, deadline)
                continue
            if not piece:
                raise LostError(hung=False)
            pieces.append(piece)
            count -= len(piece)
        return b"".join(pieces)


def _wait(descriptor: int, event: int, deadline: float) -> None:
    """Until `descriptor` is ready. Raises LostError at the deadline."""
    watch = select.poll()
    watch.register(descriptor, event)
    left = deadline - time.monotonic()
    if left <= 0 or not watch.poll(left * 1000):
        raise LostError(hung=True)


def _interpreter() -> str:
    """The interpreter itself rather than a virtual environment's link to it."""
    return getattr(sys, "_base_executable", None) or sys.executable


def _this_folder() -> str:
    return str(Path(__file__).resolve().parent)


def _stop(process: subprocess.Popen[bytes], folder: str | None, owner: int) -> None:
    """Kill and reap the supervisor. A fork of this process, which has a copy of everything, leaves it alone."""
    if os.getpid() != owner:
        return
    process.kill()
    for pipe in (process.stdin, process.stdout):
        if pipe:
            pipe.close()
    process.wait()
    if folder:
        shutil.rmtree(folder, ignore_errors=True)
