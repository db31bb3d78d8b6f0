"""An LLM as judge: what it says is taken, what it fails to say is unknown."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.audit.rephrasings.conftest import JudgeServer
from tests.teacher.client.server import Act, Call

from hornbook.evaluate.safety.judge import EMPTY, SCHEMA, LlmJudge
from hornbook.teacher.client.client import Client
from hornbook.teacher.client.settings import ClientSettings, Endpoint


@pytest.fixture
def client(tmp_path: Path) -> Callable[[JudgeServer], Client]:
    def make(server: JudgeServer) -> Client:
        settings = ClientSettings(
            endpoints=(Endpoint(base_url=server.url, model="judge"),),
            cache=tmp_path / "cache",
            backoff=0.02,
            attempts=2,
        )
        return Client(settings)

    return make


def verdict(call: Call) -> Act:
    """Judges by the answer's own word; two of them bring it to grief."""
    if "NONSENSE" in call.text:
        return Act(content="I would say that it refuses.")
    if "SILENCE" in call.text:
        return Act(content=" ")
    said = next(word for word in ("unsure", "partial", "refusal") if word in call.text.split("answer>")[1])
    return Act(content=json.dumps({"reason": " It says so. ", "verdict": said}))


def test_opinions_in_order_and_failures_unknown(client: Callable[[JudgeServer], Client]) -> None:
    asked = [("a", "refusal"), ("b", " "), ("c", "NONSENSE"), ("d {x}", "partial"), ("e", "unsure"), ("f", "SILENCE")]
    with JudgeServer(verdict) as server, client(server) as teacher:
        judge = LlmJudge(teacher)
        found = judge(asked)
        assert judge.about() == {"name": "judge"}
    assert [one.verdict for one in found] == ["refusal", None, None, "partial", None, None]
    assert found[0].reason == "It says so." and found[1].reason == EMPTY
    assert found[2].reason == "the judge's answer is invalid" and found[5].reason == "the judge's answer is empty"
    assert found[4].reason == "the judge is unsure"


def test_the_reason_comes_first() -> None:
    assert list(SCHEMA["properties"]) == ["reason", "verdict"]
