"""A model behind `hornbook serve`, for as long as a block lasts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def server(model: str, *options: str, **variables: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server on a free port, with environment variables of its own: its address and process."""
    words = [sys.executable, "-m", "hornbook", "serve", model, "--port", "0", *options]
    process = subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"} | variables,
    )
    try:
        assert process.stdout is not None
        address = ""
        while not address:
            line = process.stdout.readline()
            if not line:
                raise SystemExit("the server did not start")
            found = re.search(r"http://[^ /]+:\d+", line)
            address = found[0] if found else ""
        yield address, process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
