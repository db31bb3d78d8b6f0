"""A small teacher behind HTTP for tests: it answers by the schema it is sent, from the words of the prompt alone."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Change = Callable[[dict[str, Any], dict[str, Any]], Any]


def sentences(prompt: str, count: int) -> str:
    """Text that depends on the prompt: the same prompt, the same text."""
    digest = hashlib.sha256(prompt.encode()).hexdigest()
    return " ".join(
        f"Sentence {digest[place : place + 6]} tells about {digest[place + 1 : place + 9]}." for place in range(count)
    )


def field(  # noqa: PLR0911 (one for each field)
    name: str, schema: dict[str, Any], prompt: str
) -> Any:
    """One field of an answer."""
    quoted = re.findall(r'"([^"]+)"', prompt)
    if name == "story":
        return f"There was a {quoted[2]} {quoted[1]}. It liked to {quoted[0]}. {sentences(prompt, 12)}"
    if name == "code" and "solution()" in prompt:
        return "def solution():\n    price = 6\n    return price * 7\n"
    if name == "code":
        called = re.search(r"is called (\w+)", prompt)
        assert called is not None
        digest = hashlib.sha256(prompt.encode()).hexdigest()
        return f'def {called[1]}(value):\n    """Return the value, doubled; kind {digest[:6]}."""\n    return value * 2 + {int(digest[:6], 16)} - {int(digest[:6], 16)}\n'
    if name == "examples":
        return [{"arguments": f"({n},)", "value": f"{2 * n}"} for n in (1, 2, 3, 4)]
    if name == "topics":
        return [f"{quoted[0]}, part {number}" for number in range(1, 7)]
    if schema.get("type") == "array":
        return [
            {"user": f"{sentences(prompt, 1)} Why {turn}?", "assistant": sentences(prompt + str(turn), 3)}
            for turn in range(2)
        ]
    if schema.get("type") in ("integer", "number"):
        return 42 if name == "result" else len(prompt) % 6
    return f"{name}: {sentences(prompt + name, 4)}"


def answer(body: dict[str, Any]) -> str:
    """What the teacher says to a request."""
    # A further attempt shows what went wrong behind the prompt: the prompt is still what is answered.
    asked = [message["content"] for message in body["messages"] if message["role"] == "user"]
    prompt = "\n".join(asked) + str(body.get("seed", ""))
    form = body.get("response_format")
    if form is None and (played := re.search(r"played on (\w+ \w+ \d+)", prompt)):
        return f"Matches of {played[1]}. {sentences(prompt, 25)}"
    if form is None:
        return field("story", {}, prompt) if "Write a short story" in prompt else sentences(prompt, 25)
    properties = form["json_schema"]["schema"]["properties"]
    return json.dumps({name: field(name, schema, prompt) for name, schema in properties.items()})


class Teacher:
    """The server: `url` is its address, `requests` are the bodies it was sent. `change` may put other words in its mouth."""

    def __init__(self, change: Change | None = None) -> None:
        self.requests: list[dict[str, Any]] = []
        self.change = change
        self.url = ""

    def reply(self, body: dict[str, Any]) -> str:
        self.requests.append(body)
        said = answer(body)
        if self.change is None:
            return said
        form = body.get("response_format")
        changed = self.change(body, json.loads(said) if form else {"answer": said, "story": said})
        if isinstance(changed, dict) and not form:  # a plain text: whichever of the two was changed
            return str(next((text for text in changed.values() if text != said), said))
        return changed if isinstance(changed, str) else json.dumps(changed)


@contextmanager
def serving(change: Change | None = None) -> Iterator[Teacher]:
    """Serve on a free port of this machine for as long as the block lasts."""
    teacher = Teacher(change)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            said = teacher.reply(body)
            message = {"role": "assistant", "content": said}
            usage = {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150}
            data = json.dumps({"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *rest: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    teacher.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield teacher
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
