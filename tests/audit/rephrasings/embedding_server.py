"""A small /v1/embeddings that knows what is told again: equal meaning, equal direction. It misbehaves as told."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.audit.rephrasings.told_again import QUESTIONS, WAYS

Fault = tuple[int, dict[str, str], bytes]


def meaning(text: str) -> list[float]:
    """A direction for each question, whatever words it is told in; and one for everything else."""
    row = [0.0] * (len(QUESTIONS) + 1)
    for number, question in enumerate(QUESTIONS):
        if text == question or any(texts[number] == text for texts in WAYS.values()):
            row[number] = 2.0
            return row
    row[-1] = 1.0
    return row


class EmbeddingServer:
    """`texts` counts what was paid for; `fault` may answer in the teacher's place, told how many requests there were."""

    def __init__(self, fault: Callable[[int], Fault | None] = lambda number: None) -> None:
        self.texts: Counter[str] = Counter()
        self.headers: list[dict[str, str]] = []
        self.requests = 0
        self.url = ""
        self._fault, self._lock = fault, threading.Lock()

    def answer(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> Fault:
        with self._lock:
            fault = self._fault(self.requests)
            self.requests += 1
            self.headers.append(headers)
            if fault is not None:
                return fault
            assert path == "/v1/embeddings"
            self.texts.update(body["input"])
        data = [{"index": place, "embedding": meaning(text)} for place, text in enumerate(body["input"])]
        found = {"data": data[::-1], "usage": {"prompt_tokens": 3 * len(data)}}
        return 200, {}, json.dumps(found).encode()


@contextmanager
def serving(server: EmbeddingServer) -> Iterator[EmbeddingServer]:
    """Serve on a free port of this machine for as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            named = {name.lower(): value for name, value in self.headers.items()}
            code, headers, content = server.answer(self.path, named, body)
            self.send_response(code)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *rest: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{http.server_address[1]}/v1"
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
