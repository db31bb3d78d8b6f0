"""Chat templates are programs that came with a download: they run beside this process, and within limits."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from hornbook.errors import UserError

# One rendering: processor time in seconds, memory of its process in bytes, characters of its text. The longest context
# that models have, a million tokens, is about 5 million characters.
SECONDS, MEMORY, CHARACTERS = 5, 2**29, 2**24

_FAR_SIDE = Path(__file__).with_name("template_process.py")
_HOW = {"refused": "does not accept", "failed": "fails on", "limit": "was stopped on"}

# By the process that uses them: a fork must not speak into its parent's pipes, nor wait for one of its threads.
_started: dict[int, subprocess.Popen[str]] = {}
_locks: dict[int, Lock] = {}


def rendered(
    template: str,
    messages: Sequence[Mapping[str, str]],
    variables: Mapping[str, Any],
    where: str,
    marks: tuple[str, str] = ("", ""),
) -> str:
    """The text of a conversation in a Jinja template, as transformers renders it.

    marks: what is put before and behind the text of a {% generation %} block. Raises UserError, in which `where` names
    the template, where it refuses the conversation, fails, or goes beyond a limit.
    """
    given = {"tools": None, "documents": None, **variables, "messages": [dict(message) for message in messages]}
    request = json.dumps({"template": template, "variables": given, "marks": marks})
    with _locks.setdefault(os.getpid(), Lock()):
        answer = _asked(request)
    if "text" in answer:
        return answer["text"]
    [(kind, reason)] = answer.items()
    raise UserError(f"{where} {_HOW[kind]} this conversation: {' '.join(reason.split())}")


def _asked(request: str) -> dict[str, str]:
    """The far side's answer; one that dies of a request is started again with the next."""
    far_side = _started.get(os.getpid())
    if far_side is None or far_side.poll() is not None:
        far_side = _started[os.getpid()] = _start()
    assert far_side.stdin is not None
    assert far_side.stdout is not None
    try:
        far_side.stdin.write(request + "\n")
        far_side.stdin.flush()
        line = far_side.stdout.readline()
    except BrokenPipeError:
        line = ""
    except BaseException:  # Ctrl-C: what is answered later would be taken for the answer to the next request
        _end(far_side, os.getpid())
        raise
    if line.endswith("\n"):
        answer: dict[str, str] = json.loads(line)
        return answer
    code = far_side.wait()
    _end(far_side, os.getpid())
    timed_out = code == -signal.SIGPROF
    return {"limit": f"more than {SECONDS} s of processor time" if timed_out else f"its process ended with {code}"}


def _start() -> subprocess.Popen[str]:
    """-S and -P: where modules lie is given, nothing is looked for at the start, nor beside the file."""
    far_side = subprocess.Popen(
        [sys.executable, "-S", "-P", str(_FAR_SIDE), str(SECONDS), str(MEMORY), str(CHARACTERS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONPATH": os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)},
    )
    atexit.register(_end, far_side, os.getpid())
    return far_side


def _end(far_side: subprocess.Popen[str], owner: int) -> None:
    """Kill it and close its pipes; only who started it may."""
    if owner == os.getpid():
        with contextlib.suppress(BrokenPipeError), far_side:
            far_side.kill()
