"""A real HTTP server on this machine that serves an OpenAI-compatible teacher, and misbehaves as it is told.

What a request meets is decided by a function of the request and of how often its very text was asked before. A whole
answer that was written to the client counts as paid for, whether it fits or not; another attempt has another seed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from hornbook.teacher.client.wording import EXAMPLE

REASONS = {200: "OK", 302: "Found", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}


@dataclass(frozen=True)
class Call:
    """One request as the server sees it. `text` is what the user says, `times` how often it was asked before."""

    text: str
    times: int
    body: dict[str, Any]
    headers: dict[str, str]
    path: str
    at_once: int
    number: int


@dataclass(frozen=True)
class Act:
    """What the server does: answer after `seconds`, or misbehave."""

    kind: str = "answer"  # answer, status, hang, drop, cut, drip, close_early
    seconds: float = 0.0
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    content: Any = None  # the text of an answer, or the JSON or bytes of a status


def status(code: int, message: str = "no", seconds: float = 0.0, **headers: str) -> Act:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Act("status", seconds, code, named, {"error": {"message": message, "code": None}})


def double(call: Call) -> str:
    """The right answer to `double N`."""
    number = int(call.text.split("\n")[0].split()[-1])
    return json.dumps({"double": 2 * number})


def _asks(message: dict[str, str]) -> bool:
    """Whether this is the user's own message, and not one that has an example shown."""
    return message["role"] == "user" and not message["content"].startswith(EXAMPLE)


class Server:
    """Use it in a `with` block. Everything it saw can be read from its fields."""

    def __init__(self, act: Callable[[Call], Act], models: tuple[str, ...] = ("teacher",)) -> None:
        self._act, self._models = act, models
        self.paid: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.calls: list[Call] = []
        self.at_once = self.most_at_once = 0
        self.when: list[float] = []
        self.port = 0
        self._loop = asyncio.new_event_loop()
        sys.setswitchinterval(0.0005)  # client and server share this process: neither should wait long for the other
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=512))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
                content = await reader.readexactly(int(headers.get("content-length", 0)))
                method, path, _ = head[0].split(" ")
                if method == "GET":
                    listed = {"data": [{"id": name} for name in self._models]}
                    await self._send(writer, 200, {}, json.dumps(listed).encode())
                    continue
                self.at_once += 1
                self.most_at_once = max(self.most_at_once, self.at_once)
                if not await self._respond(reader, writer, self._call(path, headers, json.loads(content))):
                    return
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    def _call(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> Call:
        text = "\n\n".join(message["content"] for message in body["messages"] if _asks(message))
        call = Call(text, self.asked[text], body, headers, path, self.at_once, len(self.calls))
        self.asked[text] += 1
        self.calls.append(call)
        self.when.append(self._loop.time())
        return call

    async def _respond(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, call: Call) -> bool:
        """Do as told. Returns whether the connection goes on."""
        act = self._act(call)
        self.statuses[str(act.status) if act.kind == "status" else act.kind] += 1
        await asyncio.sleep(act.seconds)
        if act.kind == "hang":
            await reader.read()  # until the client goes
        self.at_once -= 1  # before the client can know, so that its next request never finds itself still here
        if act.kind in ("hang", "drop"):
            return False
        if act.kind == "status":
            raw = act.content if isinstance(act.content, bytes) else json.dumps(act.content).encode()
            await self._send(writer, act.status, act.headers, raw)
            return True
        whole = act.content if isinstance(act.content, bytes) else self._completion(call, act)
        if act.kind == "cut":
            writer.write(self._head(200, {}, len(whole)) + whole[: len(whole) // 2])
            await writer.drain()
            return False
        if act.kind == "drip":
            writer.write(self._head(200, {}, len(whole)))
            for byte in whole:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.05)
        else:
            await self._send(writer, 200, act.headers, whole)
        self.paid[f"{call.text} (seed {call.body.get('seed')})"] += not isinstance(
            act.content, bytes
        )  # bytes: what is no answer, however whole
        return act.kind != "close_early"

    def _completion(self, call: Call, act: Act) -> bytes:
        message: dict[str, Any] = {"role": "assistant", "content": double(call)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        if isinstance(act.content, dict):
            choice["finish_reason"] = act.content.get("finish_reason", "stop")
            message |= act.content.get("message", {})
        elif act.content is not None:
            message["content"] = act.content
        usage = {"prompt_tokens": 20, "completion_tokens": 10}
        return json.dumps({"id": "x", "object": "chat.completion", "choices": [choice], "usage": usage}).encode()

    async def _send(self, writer: asyncio.StreamWriter, code: int, headers: dict[str, str], content: bytes) -> None:
        writer.write(self._head(code, headers, len(content)) + content)
        await writer.drain()

    def _head(self, code: int, headers: dict[str, str], length: int) -> bytes:
        lines = [f"HTTP/1.1 {code} {REASONS.get(code, 'Error')}", "Content-Type: application/json"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, f"Content-Length: {length}", "", ""]).encode()
