"""A real server in a process of its own, over a small model with random weights."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest


class Server:
    """A running `hornbook serve`."""

    def __init__(self, folder: Path, log: Path, *options: str, **variables: str) -> None:
        self.log = log
        words = [sys.executable, "-m", "hornbook", "serve", str(folder), "--port", "0", "--threads", "1", *options]
        self._out = log.open("wb")
        self.process = subprocess.Popen(
            words, stdout=self._out, stderr=self._out, env=os.environ | {"PYTHONUNBUFFERED": "1"} | variables
        )
        self.url = self._ready()

    def _ready(self) -> str:
        until = time.monotonic() + 120
        while True:
            told = self.log.read_text(errors="replace")
            found = re.search(r"http://[^ /]+:\d+", told)
            if found:
                return found[0]
            assert self.process.poll() is None and time.monotonic() < until, told
            time.sleep(0.05)

    def metric(self, name: str) -> float:
        """A number of /metrics."""
        text = httpx.get(f"{self.url}/metrics").text
        return float(re.search(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.M)[1])  # type: ignore[index]

    def memory(self) -> int:
        """Resident kilobytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1])  # type: ignore[index]

    def end(self) -> int:
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(30)
        self._out.close()
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._out.close()


@pytest.fixture(scope="module")
def served_folder(tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that chats, of random weights; do not write to it."""
    import torch

    from hornbook.model import build, save
    from hornbook.model.config import ModelConfig
    from hornbook.model.tokenizers import Tokenizer

    config = ModelConfig(vocabulary=400, layers=2, width=64, heads=4, kv_heads=2, mlp_width=96, context=2048)
    folder = tmp_path_factory.mktemp("served") / "tiny"
    model = build(config, dtype=torch.float32, seed=8)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(10)
    save(model, folder, Tokenizer(tokenizer_folder))
    return folder


@pytest.fixture(scope="module")
def start(served_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Start a server: `start("--queue", "1", KEY="secret")`, of another `folder` if need be."""
    servers: list[Server] = []

    def begin(*options: str, folder: Path = served_folder, **variables: str) -> Server:
        servers.append(Server(folder, tmp_path_factory.mktemp("log") / "server.log", *options, **variables))
        return servers[-1]

    yield begin
    for server in servers:
        server.close()


@pytest.fixture(scope="module")
def server(start: Callable[..., Server]) -> Server:
    """A server without a key."""
    return start()
