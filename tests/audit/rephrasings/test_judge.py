from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.audit.rephrasings.conftest import JudgeServer, asked, noise
from tests.audit.rephrasings.told_again import QUESTIONS, WAYS
from tests.teacher.client.server import Act, Call, status

from hornbook.audit.rephrasings.candidates import Pair, Passage
from hornbook.audit.rephrasings.judge import NOT_ASKED, LlmJudge, request
from hornbook.corpus.decontaminate.benchmarks import Item
from hornbook.errors import UserError
from hornbook.teacher.client.client import Client
from hornbook.teacher.client.settings import BudgetSettings, ClientSettings, Endpoint

PAIRS = [
    Pair(Item("quiz", str(number), question), Passage(f"id{number}", "web", "", 0, text), 0.5)
    for number, question in enumerate(QUESTIONS)
    for text in (WAYS["other words"][number], noise(1, number)[0])
]
WANTED = ["leak", "clean"] * len(QUESTIONS)

MakeJudge = Callable[..., Client]


@pytest.fixture
def client(tmp_path: Path) -> MakeJudge:
    """`client(server, ...)`: pauses of hundredths of a second."""

    def make(server: JudgeServer, **rest: Any) -> Client:
        quick: dict[str, Any] = {"cache": tmp_path / "cache", "backoff": 0.02, "longest_pause": 0.2, "timeout": 10.0}
        return Client(ClientSettings(endpoints=(Endpoint(base_url=server.url, model="judge"),), **(quick | rest)))

    return make


def test_the_reason_comes_before_the_verdict() -> None:
    made = request(PAIRS[0])
    assert made.schema is not None
    assert list(made.schema["properties"]) == ["reason", "same_problem"]
    assert QUESTIONS[0] in made.messages[-1].content
    assert PAIRS[0].passage.text in made.messages[-1].content


def test_a_judge_that_stumbles_is_still_right(client: MakeJudge) -> None:
    """Every request meets a fault first: too many, an error, a cut, a wrong schema, half an answer."""
    first = [status(429, retry_after="0"), status(500), Act("cut"), Act(content='{"verdict": 1}'), Act(content='{"rea')]

    met: dict[tuple[str, str], Act] = {}

    def stumble(call: Call) -> Act:
        pair = asked(call.body)
        if pair in met:
            return Act()
        return met.setdefault(pair, first[len(met) % 5])

    with JudgeServer(stumble) as server, client(server) as teacher:
        judge = LlmJudge(teacher)
        opinions = judge(PAIRS)
    assert len(met) == len(PAIRS)
    assert [one.verdict for one in opinions] == WANTED
    assert (judge.ended, opinions[0].reason) == ("", "I say yes, having <read> both.")


@pytest.mark.parametrize(
    ("act", "why"),
    [
        (Act(content='{"reason": "who knows", "same_problem": "unsure"}'), "unsure"),
        (Act(content='{"reason": "no doubt", "same_problem": "perhaps"}'), "invalid"),
        (Act(content="Yes, they are the same."), "invalid"),
        (Act(content={"message": {"content": "", "refusal": "I would rather not."}}), "refused"),
        (Act(content=" "), "empty"),
        (status(400, "this text is too long"), "http 400"),
    ],
)
def test_what_brings_no_verdict_is_unknown(act: Act, why: str, client: MakeJudge) -> None:
    odd = {0, 2, 4}

    def answer(call: Call) -> Act:
        return act if any(QUESTIONS[number] in call.text for number in odd) else Act()

    with JudgeServer(answer) as server, client(server, attempts=2) as teacher:
        opinions = LlmJudge(teacher)(PAIRS)
    for place, (opinion, wanted) in enumerate(zip(opinions, WANTED, strict=True)):
        assert (opinion.verdict, opinion.why) == (("unknown", why) if place // 2 in odd else (wanted, ""))


def test_when_a_budget_ends_the_rest_is_unknown_and_nothing_is_paid_twice(client: MakeJudge) -> None:
    with JudgeServer(lambda call: Act()) as server:
        with client(server, budget=BudgetSettings(requests=10)) as teacher:
            judge = LlmJudge(teacher)
            first = [judge(PAIRS[:20]), judge(PAIRS[20:])]
        assert sum(server.paid.values()) == 10
        assert [sum(one.why == NOT_ASKED for one in some) for some in first] == [10, len(PAIRS) - 20]
        assert "the budget of 10 requests is reached" in judge.ended
        assert all(one.verdict == "unknown" for one in first[1])
        with client(server) as teacher:
            assert [one.verdict for one in LlmJudge(teacher)(PAIRS)] == WANTED
        assert set(server.paid.values()) == {1}
        with client(server, budget=BudgetSettings(requests=0)) as teacher:
            assert [one.verdict for one in LlmJudge(teacher)(PAIRS)] == WANTED
    assert sum(server.paid.values()) == len(PAIRS)


def test_an_endpoint_that_dies_leaves_the_rest_unknown(client: MakeJudge) -> None:
    with (
        JudgeServer(lambda call: Act() if call.number < 6 else status(401)) as server,
        client(server, start=1, most=1) as teacher,
    ):
        judge = LlmJudge(teacher)
        opinions = judge(PAIRS)
    assert [one.verdict for one in opinions[:6]] == WANTED[:6]
    assert {(one.verdict, one.why) for one in opinions[6:]} == {("unknown", NOT_ASKED)}
    assert "key" in judge.ended


def test_an_endpoint_that_never_answered_is_the_users_mistake(client: MakeJudge) -> None:
    with (
        JudgeServer(lambda call: status(401)) as server,
        client(server) as teacher,
        pytest.raises(UserError, match="key"),
    ):
        LlmJudge(teacher)(PAIRS)
