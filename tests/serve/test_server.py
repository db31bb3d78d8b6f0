"""Limits, manners and ends: every rude client gets its status, and nobody else notices."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import ClientDisconnect
from typer.testing import CliRunner

from hornbook.cli import app
from hornbook.errors import UserError
from hornbook.serve.app import _Stream

LONG = {"model": "tiny", "prompt": "def", "max_tokens": 1900}
SHORT = {"model": "tiny", "prompt": "def", "max_tokens": 3}


def post(server: Any, body: Any, path: str = "/v1/completions", **options: Any) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.post(f"{server.url}{path}", content=content, timeout=60, **options)


def idle(server: Any, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if server.metric("hornbook_running") == server.metric("hornbook_waiting") == 0:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (b"{", 400, "not JSON"),
        (b"\xff\xfe{}", 400, "not UTF-8"),
        (b"[]", 400, "not a JSON object"),
        (b"[" * 100_000, 400, "not JSON"),
        (b'{"prompt": "' + b"x" * 1_000_001 + b'"}', 413, "longer than 1,000,000 bytes"),
        ({"prompt": [[-1]]}, 400, "ids"),
        ({"prompt": []}, 400, "prompt"),
        ({"prompt": "x", "max_tokens": 0}, 400, "echo"),
        ({"prompt": "x", "stop": ["a"] * 300}, 400, "stop"),
        ({"prompt": "\ud800", "max_tokens": 2}, 200, ""),
        ({"prompt": "x", "max_tokens": 2, "top_p": 0, "top_k": -1}, 200, ""),
    ],
    ids=lambda value: str(value)[:30],
)
def test_bodies(body: Any, status: int, told: str, server: Any) -> None:
    response = post(server, body)
    assert response.status_code == status, response.text
    if status != 200:
        error = response.json()["error"]
        assert told in error["message"]
        assert error.keys() == {"message", "type", "param", "code"}
    assert post(server, SHORT).status_code == 200


def test_other_paths_and_methods(server: Any) -> None:
    assert httpx.get(f"{server.url}/health").json() == {"status": "ok"}
    for method, path, status in (("GET", "/v1/completions", 405), ("GET", "/docs", 404), ("POST", "/../etc", 404)):
        response = httpx.request(method, f"{server.url}{path}")
        assert (response.status_code, list(response.json())) == (status, ["error"])


def test_pages_of_elsewhere_are_not_answered(server: Any, start: Callable[..., Any]) -> None:
    assert post(server, SHORT, headers={"Origin": "https://evil.example"}).status_code == 403
    assert post(server, SHORT, headers={"Host": "evil.example"}).status_code == 403
    answered = post(server, SHORT, headers={"Origin": server.url})
    assert answered.status_code == 200
    assert "access-control-allow-origin" not in answered.headers
    asked = start("--origin", "https://good.example")
    good = post(asked, SHORT, headers={"Origin": "https://good.example"})
    assert (good.status_code, good.headers["access-control-allow-origin"]) == (200, "https://good.example")
    assert post(asked, SHORT, headers={"Origin": "https://evil.example"}).status_code == 403


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_goes_away_frees_its_place_within_a_second(stream: bool, server: Any) -> None:
    assert idle(server, 30)
    asked = LONG | {"stream": stream, "n": 4}
    if stream:
        with httpx.stream("POST", f"{server.url}/v1/completions", json=asked, timeout=60) as response:
            next(response.iter_bytes())
    else:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{server.url}/v1/completions", json=asked, timeout=httpx.Timeout(60, read=0.1))
    assert idle(server, 1.0)


def test_clients_that_go_away_before_the_first_word(server: Any) -> None:
    assert idle(server, 30)
    host, port = server.url.removeprefix("http://").split(":")
    body = json.dumps(LONG | {"stream": True}).encode()
    head = f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    for number in range(20):
        with socket.create_connection((host, int(port))) as client:
            client.sendall(head + body)
            time.sleep(0.002 * number)
    assert idle(server, 2.0)


def test_a_stream_that_never_began_is_let_go_too() -> None:
    ended: list[bool] = []
    begun: list[bool] = []

    async def events() -> AsyncIterator[bytes]:
        begun.append(True)
        yield b"data: x"

    async def gone() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def nobody(message: Any) -> None:
        raise OSError("the client went away")

    async def serve() -> None:
        scope = {"type": "http", "asgi": {"spec_version": "2.4"}}
        with suppress(ClientDisconnect):
            await _Stream(events(), lambda: ended.append(True))(scope, gone, nobody)

    asyncio.run(serve())
    assert (begun, ended) == ([], [True])


def test_too_many_and_too_slow(start: Callable[..., Any]) -> None:
    server = start("--places", "1", "--queue", "1", "--seconds", "2")
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(post(server, LONG).status_code)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses.count(429) >= 2, statuses
    assert set(statuses) <= {200, 429, 504}, statuses
    assert idle(server, 1.0)
    assert post(server, LONG | {"n": 9}).status_code == 400
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as slow:
        slow.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{")
        slow.settimeout(20)
        assert b" 408 " in slow.recv(200)


def test_sigterm_lets_those_under_way_end(start: Callable[..., Any]) -> None:
    server = start()
    got: list[str] = []

    def ask() -> None:
        with httpx.stream(
            "POST", f"{server.url}/v1/completions", json=LONG | {"stream": True, "max_tokens": 300}, timeout=60
        ) as response:
            for line in response.iter_lines():
                got.append(line)
                begun.set()

    begun = threading.Event()
    client = threading.Thread(target=ask)
    client.start()
    assert begun.wait(120)
    assert server.end() == 0
    client.join(60)
    assert [line for line in got if line][-1] == "data: [DONE]"
    assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--host", "0.0.0.0"], "an API key is needed"),
        (["--api-key-env", "NOT_SET_ANYWHERE"], "NOT_SET_ANYWHERE is empty"),
        (["--dtype", "fp8"], "take fp32 or bf16"),
        (["--host", "203.0.113.1", "--api-key-env", "PATH"], "cannot listen on 203.0.113.1"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_told_in_one_line(options: list[str], told: str, served_folder: Path) -> None:
    wrong = CliRunner().invoke(app, ["serve", str(served_folder), "--port", "0", *options]).exception
    assert isinstance(wrong, UserError)
    assert told in str(wrong) and "\n" not in str(wrong)


def test_a_model_without_a_template_is_asked_for_completions(
    served_folder: Path, tmp_path: Path, start: Callable[..., Any]
) -> None:
    plain = tmp_path / "plain"
    shutil.copytree(served_folder, plain)
    (plain / "chat_template.jinja").unlink()
    (plain / "tokenizer_config.json").unlink()
    server = start(folder=plain)
    asked = post(server, {"messages": [{"role": "user", "content": "Hi"}]}, "/v1/chat/completions")
    message = asked.json()["error"]["message"]
    assert asked.status_code == 400 and message == (
        "plain has no chat template: ask /v1/completions to go on from a prompt"
    )
    assert post(server, SHORT | {"model": "plain"}).status_code == 200
