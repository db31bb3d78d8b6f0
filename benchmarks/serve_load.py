"""`hornbook serve` under load: polite clients beside rude ones, and what serving many at once is worth.

    python benchmarks/serve_load.py MODEL [--minutes 5] [--clients 64] --into benchmarks/serve_load.json
    python benchmarks/serve_load.py MODEL --llama-server PROGRAM --gguf FILE --into benchmarks/serve_llama.json

Half of the clients are polite: each asks again and again, every second one as a stream, and each answer must be the one
that the same request got when nothing else was asked. The others go away in the middle, send too much, no JSON, no
UTF-8, or too slowly, or have a wrong key. The server's memory is looked at every second; in the end it is told to end
while answers are under way. Then 16 polite clients at once are compared with one that asks for the same one by one.

With --llama-server nothing of this is done: 16 polite clients at once ask Hornbook and llama.cpp's server in turn, each
time for something else. FILE holds the same weights (`hornbook export`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median
from typing import Any

import httpx
from served import server

from hornbook.files import write_json
from hornbook.machine import describe
from hornbook.runs.manifest import versions

KEY, NAME = "a-key-of-the-benchmark", "served"
HEADERS = {"Authorization": f"Bearer {KEY}"}
WORDS = ("count", "sum", "largest", "first", "even", "odd", "word", "letter", "list", "text", "number", "value")
TOKENS = 48  # of an answer at most
AT_ONCE = 16


@dataclass
class Told:
    """What happened. wrong: answers that differ from the one that was given alone."""

    answered: int = 0
    wrong: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    rude: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)


def requests(count: int) -> list[dict[str, Any]]:
    """Different requests, half greedy and half sampled with a seed; some begin alike."""
    draw = random.Random(1)
    made = []
    for number in range(count):
        words = " ".join(draw.choices(WORDS, k=draw.randint(3, 24)))
        asked = [{"role": "user", "content": f"Write a Python function. It is about {words}."}]
        made.append(
            {
                "model": NAME,
                "messages": asked,
                "max_tokens": TOKENS,
                "temperature": 0.8 if number % 2 else 0.0,
                "seed": number,
            }
        )
    return made


SERVED = ("--name", NAME, "--api-key-env", "BENCHMARK_KEY")


async def ask(client: httpx.AsyncClient, asked: dict[str, Any], *, stream: bool) -> str:
    """One answer's text."""
    if not stream:
        response = await client.post("/v1/chat/completions", json=asked)
        response.raise_for_status()
        return str(response.json()["choices"][0]["message"]["content"])
    parts = []
    async with client.stream("POST", "/v1/chat/completions", json=asked | {"stream": True}) as response:
        response.raise_for_status()
        async for line in response.aiter_lines():
            if line.startswith("data: {"):
                told = json.loads(line.removeprefix("data: "))
                if "error" in told:
                    raise ValueError(str(told["error"]))
                parts.append(told["choices"][0]["delta"].get("content") or "" if told["choices"] else "")
    return "".join(parts)


async def polite(
    client: httpx.AsyncClient, number: int, asked: list[dict[str, Any]], alone: list[str], until: float, told: Told
) -> None:
    """Ask until the time is over, and compare."""
    draw = random.Random(number)
    while time.monotonic() < until:
        place, began = draw.randrange(len(asked)), time.monotonic()
        try:
            text = await ask(client, asked[place], stream=number % 2 == 0)
        except (httpx.HTTPError, ValueError) as error:
            status = getattr(getattr(error, "response", None), "status_code", "")
            told.failed[f"{type(error).__name__} {status}".strip()] += 1
            await asyncio.sleep(0.5)
            continue
        told.answered += 1
        told.wrong += text != alone[place]
        told.seconds.append(time.monotonic() - began)


async def rude(address: str, number: int, asked: list[dict[str, Any]], until: float, told: Told) -> None:
    """Be a nuisance until the time is over."""
    draw = random.Random(number)
    ways = ("goes away", "goes away at once", "giant body", "no JSON", "no UTF-8", "slow", "wrong key")
    while time.monotonic() < until:
        way = draw.choice(ways)
        try:
            told.rude[f"{way}: {await _rudely(way, address, draw.choice(asked))}"] += 1
        except (httpx.HTTPError, OSError) as error:
            told.rude[f"{way}: {type(error).__name__}"] += 1
        await asyncio.sleep(draw.random() * 0.5)


async def _rudely(way: str, address: str, asked: dict[str, Any]) -> str:
    """What came of it: a status, or how it ended."""
    async with httpx.AsyncClient(base_url=address, headers=HEADERS, timeout=60) as client:
        if way == "goes away":
            async with client.stream("POST", "/v1/chat/completions", json=asked | {"stream": True}) as response:
                async for _ in response.aiter_bytes():
                    break
            return "gone"
        if way == "wrong key":
            headers = {"Authorization": "Bearer wrong"}
            return str((await client.post("/v1/chat/completions", json=asked, headers=headers)).status_code)
        contents = {
            "giant body": b"[" * 3_000_000,
            "no JSON": b'{"messages": [',
            "no UTF-8": b'{"messages": "\xff\xfe"}',
        }
        if way in contents:
            return str((await client.post("/v1/chat/completions", content=contents[way])).status_code)
    host, port = address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    body = json.dumps(asked | {"stream": True}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {KEY}\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode())
    if way == "goes away at once":
        writer.write(body)
        await writer.drain()
        writer.close()
        return "gone"
    for byte in body[:20]:  # and never the rest
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.2)
    line = await asyncio.wait_for(reader.readline(), 60)
    writer.close()
    return line.split()[1].decode() if line else "closed"


async def watch(process: subprocess.Popen[str], until: float, told: Told) -> None:
    """The server's resident memory in kilobytes, every second."""
    while time.monotonic() < until:
        status = Path(f"/proc/{process.pid}/status").read_text()
        told.memory.append(int(re.search(r"VmRSS:\s+(\d+)", status)[1]))  # type: ignore[index]
        await asyncio.sleep(1)


async def load(address: str, process: subprocess.Popen[str], clients: int, minutes: float) -> dict[str, Any]:
    """Everybody at once for some minutes, then the end with answers under way."""
    asked, told = requests(40), Told()
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=address, headers=HEADERS, timeout=300, limits=limits) as client:
        alone = [await ask(client, one, stream=False) for one in asked]
        until = time.monotonic() + 60 * minutes
        await asyncio.gather(
            *(polite(client, number, asked, alone, until, told) for number in range(clients // 2)),
            *(rude(address, number, asked, until, told) for number in range(clients // 2)),
            watch(process, until, told),
        )
        last = [asyncio.ensure_future(ask(client, one | {"max_tokens": 400}, stream=False)) for one in asked[:8]]
        await asyncio.sleep(0.5)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        ended = Counter(
            "answered" if isinstance(one, str) else type(one).__name__
            for one in await asyncio.gather(*last, return_exceptions=True)
        )
        code = await asyncio.to_thread(process.wait, 60)
    tenth = max(1, len(told.memory) // 10)
    return {
        "clients": clients,
        "minutes": minutes,
        "polite": {"answered": told.answered, "wrong": told.wrong, "failed": dict(told.failed)},
        "seconds": {"mean": round(mean(told.seconds), 3), "longest": round(max(told.seconds), 3)},
        "rude": dict(sorted(told.rude.items())),
        "memory_kB": {
            "after a tenth": told.memory[tenth],
            "last tenth": round(mean(told.memory[-tenth:])),
            "most": max(told.memory),
        },
        "ending": {"under way": dict(ended), "seconds": round(time.monotonic() - began, 2), "exit code": code},
    }


async def written(client: httpx.AsyncClient, asked: dict[str, Any]) -> int:
    """How many tokens an answer had."""
    response = await client.post("/v1/chat/completions", json=asked)
    response.raise_for_status()
    return int(response.json()["usage"]["completion_tokens"])


async def at_once(client: httpx.AsyncClient, asked: list[dict[str, Any]]) -> float:
    """Tokens a second of all of these together."""
    began = time.monotonic()
    tokens = sum(await asyncio.gather(*(written(client, one) for one in asked)))
    return tokens / (time.monotonic() - began)


async def throughput(address: str) -> dict[str, float]:
    """Tokens a second of 16 clients at once and of one that asks for the same one by one, in turn, three times."""
    asked = requests(AT_ONCE)
    rates: dict[str, list[float]] = {"one by one": [], "at once": []}
    async with httpx.AsyncClient(base_url=address, headers=HEADERS, timeout=600) as client:
        for _ in range(3):
            began = time.monotonic()
            tokens = sum([await written(client, one) for one in asked])
            rates["one by one"].append(tokens / (time.monotonic() - began))
            rates["at once"].append(await at_once(client, asked))
    best = {name: round(max(some), 1) for name, some in rates.items()}
    return best | {"times": round(best["at once"] / best["one by one"], 2)}


async def side_by_side(addresses: dict[str, str], turns: int) -> dict[str, Any]:
    """Tokens a second of 16 clients at once, of each server in turn; none is asked the same twice."""
    asked = requests(AT_ONCE * (turns + 1))
    rates: dict[str, list[float]] = {name: [] for name in addresses}
    for turn in range(turns + 1):  # the first one warms up
        for name, address in addresses.items():
            async with httpx.AsyncClient(base_url=address, headers=HEADERS, timeout=600) as client:
                rates[name].append(await at_once(client, asked[AT_ONCE * turn : AT_ONCE * (turn + 1)]))
    ratios = [one / other for one, other in zip(*(rates[name][1:] for name in addresses), strict=True)]
    told = {name: round(median(some[1:]), 1) for name, some in rates.items()}
    return told | {"times": [round(found, 2) for found in (median(ratios), min(ratios), max(ratios))], "turns": turns}


@contextmanager
def llama(program: str, gguf: str, threads: int, context: int) -> Iterator[str]:
    """llama.cpp's server with as many places as there are clients: its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = str(listener.getsockname()[1])
    words = [program, "-m", gguf, "--parallel", str(AT_ONCE), "-c", str(AT_ONCE * context), "-t", str(threads)]
    words += ["--jinja", "--api-key", KEY, "--host", "127.0.0.1", "--port", port]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        while True:
            if process.poll() is not None:
                raise SystemExit(f"{program} did not start")
            try:
                if httpx.get(f"{address}/health").status_code == 200:
                    break
            except httpx.HTTPError:
                pass
            time.sleep(0.2)
        yield address
    finally:
        process.kill()
        process.wait()


def main() -> None:
    """Run both and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--into", type=Path)
    parser.add_argument("--llama-server", help="llama.cpp's server, built for this processor")
    parser.add_argument("--gguf", help="the model as it reads it")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--context", type=int, default=512, help="of each place")
    parser.add_argument("--turns", type=int, default=5)
    asked = parser.parse_args()
    found = beside(asked) if asked.llama_server else loaded(asked)
    found |= {"model": asked.model, "machine": describe(), "versions": versions()}
    print(json.dumps(found, indent=1))
    if asked.into:
        write_json(asked.into, found)


def beside(asked: argparse.Namespace) -> dict[str, Any]:
    """Both servers, in turn."""
    words = (*SERVED, "--threads", str(asked.threads))
    with (
        server(asked.model, *words, BENCHMARK_KEY=KEY) as (ours, _),
        llama(asked.llama_server, asked.gguf, asked.threads, asked.context) as theirs,
    ):
        rates = asyncio.run(side_by_side({"hornbook": ours, "llama-server": theirs}, asked.turns))
    return {"tokens a second": rates, "threads": asked.threads, "gguf": Path(asked.gguf).name}


def loaded(asked: argparse.Namespace) -> dict[str, Any]:
    """Polite and rude clients, then what many at once are worth."""
    with server(asked.model, *SERVED, BENCHMARK_KEY=KEY) as (address, process):
        found = asyncio.run(load(address, process, asked.clients, asked.minutes))
    with server(asked.model, *SERVED, BENCHMARK_KEY=KEY) as (address, _):
        found["tokens a second"] = asyncio.run(throughput(address))
    return found


if __name__ == "__main__":
    main()
