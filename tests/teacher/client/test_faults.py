"""2,000 requests to a server of which one response in five goes wrong, and a `kill -9` in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.teacher.client.server import Act, Call, Server, status

import hornbook
from hornbook.seeds import stream
from hornbook.teacher.client.cache import Cache
from hornbook.teacher.client.client import Client
from hornbook.teacher.client.messages import Request

COUNT = 2_000
MOST = 32  # requests at once
DIFFERENT = 1_900  # the others ask what was asked before
FAULTS: tuple[tuple[Act, float], ...] = (
    (status(429, Retry_After="0.02"), 3),
    (status(429), 3),
    (status(500), 2),
    (status(503), 1),
    (Act("hang"), 0.2),
    (Act("drip"), 0.2),
    (Act("drop"), 2),
    (Act("cut"), 2),
    (Act("answer", content=b'{"choices": [{"message": {"content": "{'), 2),
    (Act("answer", content='{"triple": 3}'), 2),
    (Act("answer", content="I would say that it is"), 1),
    (Act("answer", content={"finish_reason": "length", "message": {"content": '{"double": '}}), 0.5),
    (Act("answer", content={"message": {"content": None, "refusal": "I would rather not."}}), 0.5),
    (Act("close_early"), 0.4),
)


def misbehave(call: Call) -> Act:
    """A fault in a fifth of the calls, the same ones in every run of this test."""
    chance = stream(7, call.text, call.times)
    if chance.random() > 0.2:
        return Act(seconds=0.002)
    return chance.choices([act for act, _ in FAULTS], [weight for _, weight in FAULTS])[0]


CHILD = """
import sys
from pathlib import Path
from hornbook.teacher.client.client import Client
from hornbook.teacher.client.messages import Request
from hornbook.teacher.client.settings import ClientSettings
from hornbook.teacher.interface import Message
from tests.teacher.client.test_faults import wanted

settings = ClientSettings.model_validate_json(sys.argv[1])
with Client(settings) as client:
    for answer in client.ask(wanted()):
        print(answer.request.about, answer.value, answer.failure, flush=True)
"""
SCHEMA = {"type": "object", "properties": {"double": {"type": "integer"}}, "required": ["double"]}


def wanted() -> list[Request]:
    """2,000 requests, a few of them twice."""
    from hornbook.teacher.interface import Message

    order = [*range(DIFFERENT), *stream(3, "again").sample(range(DIFFERENT), COUNT - DIFFERENT)]
    stream(3, "order").shuffle(order)
    return [Request((Message("user", f"double {n}"),), schema=SCHEMA, max_tokens=100, about=n) for n in order]


@pytest.mark.slow
def test_two_thousand_requests_through_faults_and_a_kill(make_settings: Callable[..., Any]) -> None:
    with Server(misbehave) as server:
        settings = make_settings(server.url, timeout=6.0, start=8, most=MOST, attempts=5, window=256)
        early = _run_and_kill(settings.model_dump_json(), lines=700)
        while server.at_once:  # until the server has noticed
            time.sleep(0.05)
        known = Cache(settings.cache)
        kept = {key: len(known.get(key)) for key in {request.key("teacher") for request in wanted()}}
        known.close()
        paid_before, slow_before = dict(server.paid), _slow(server)
        with Client(settings) as client:
            answers = list(client.ask(wanted()))
        replies = client.figures.replies
        with Client(settings) as once_more:
            assert [answer.value for answer in once_more.ask(wanted())] == [answer.value for answer in answers]
            assert once_more.figures.sent == 0

    assert [answer.request.about for answer in answers] == [request.about for request in wanted()]
    failed = [answer for answer in answers if not answer.ok]
    assert all(answer.value == {"double": 2 * answer.request.about} for answer in answers if answer.ok)
    assert all(answer.failure == "refused" for answer in failed), {answer.failure for answer in failed}
    assert 0 < len(failed) < 0.02 * COUNT
    assert len(early) >= 700 and early == [f"{a.request.about} {a.value} {a.failure}" for a in answers][: len(early)]

    figures = client.figures
    assert figures.asked == COUNT == figures.answered + figures.failed.total()
    assert figures.retried.total() > 100 and {"http 429", "http 500", "cut", "damaged", "invalid"} <= set(
        figures.retried
    )
    everything = {"429", "500", "503", "hang", "drip", "drop", "cut", "answer", "close_early"}
    assert set(server.statuses) == everything
    # What the killed process handed out was on disk before.
    assert all(kept[request.key("teacher")] for request in wanted()[: len(early)])
    # Nothing that was in the cache at the kill, or arrived afterwards, was paid for again: what was on its way at the
    # kill is at most as much as is asked at once, and on a busy machine an answer may have come too late.
    late = figures.retried["timeout"] - (_slow(server) - slow_before)
    late_before = sum(times - 1 for times in paid_before.values())
    twice = {text for text, times in server.paid.items() if times > 1}
    unlucky = sum(paid_before.values()) - sum(kept.values())
    assert 0 <= unlucky <= MOST + late_before
    assert len(twice) <= unlucky + late
    assert 0 <= sum(server.paid.values()) - (sum(kept.values()) + unlucky + replies) <= late


def _slow(server: Server) -> int:
    """How many calls were made to take longer than the client waits."""
    return server.statuses["hang"] + server.statuses["drip"]


def _run_and_kill(settings: str, lines: int) -> list[str]:
    """Run the same in a process of its own and kill it after so many answers. Returns what it handed out."""
    roots = [str(Path(hornbook.__file__).parents[1]), str(Path(__file__).parents[3])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(roots)}
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, settings], stdout=subprocess.PIPE, text=True, env=environment
    ) as child:
        assert child.stdout is not None
        seen = [child.stdout.readline().strip() for _ in range(lines)]
        child.send_signal(signal.SIGKILL)
        seen += [line.strip() for line in child.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    assert child.returncode == -signal.SIGKILL
    return seen
