"""A served model is asked as a model of ours is; whatever a server says is told in a line."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.serve.conftest import Server, served_folder  # noqa: F401 (a fixture)

from hornbook.errors import UserError
from hornbook.evaluate.exam import endpoint
from hornbook.evaluate.exam.candidate import LocalModel
from hornbook.evaluate.exam.endpoint import Endpoint
from hornbook.evaluate.exam.rules import Question

SHOTS = tuple(f"if value {n}:\n    return {n}\n\n" for n in range(3))
QUESTIONS = [
    Question("1", ("def add_all(values):",), "Code.\n\n", SHOTS, (" total", " value = 1", " return")),
    Question("2", ("for item in ",), answers=("values", "items")),
]


@pytest.fixture(scope="module")
def server(served_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:  # noqa: F811
    made = Server(served_folder, tmp_path_factory.mktemp("log") / "log", "--dtype", "fp32")
    yield made
    made.close()


def test_served_and_local_answers_are_the_same(server: Server, served_folder: Path) -> None:  # noqa: F811
    served, local = Endpoint(f"{server.url}/v1"), LocalModel.load(served_folder)
    for one, other in zip(served.likelihoods(QUESTIONS), local.likelihoods(QUESTIONS), strict=True):
        assert [found.greedy for found in one.found] == [found.greedy for found in other.found]
        for found, wanted in zip(one.found, other.found, strict=True):
            assert found.logprob == pytest.approx(wanted.logprob, abs=1e-3)
    # Half a character at the end is not sent by a server.
    texts = [
        [one.found.rstrip("\ufffd") for one in each.texts(QUESTIONS, ("\n\n", "=="), 20)] for each in (served, local)
    ]
    assert texts[0] == texts[1]
    assert served.about()["model"] == "tiny"


def answering(answer: Callable[[dict[str, Any]], httpx.Response]) -> Endpoint:
    def handle(request: httpx.Request) -> httpx.Response:
        return answer(json.loads(request.content))

    return Endpoint("http://test/v1", "m", client=httpx.Client(transport=httpx.MockTransport(handle)))


def test_what_is_too_long_loses_examples_and_is_then_unknown() -> None:
    def answer(body: dict[str, Any]) -> httpx.Response:
        prompts = body["prompt"] if isinstance(body["prompt"], list) else [body["prompt"]]
        if max(map(len, prompts)) > 50:
            return httpx.Response(400, json={"error": {"message": "the context is 50\nmore"}})
        told = {"tokens": ["a", "b"], "token_logprobs": [None, -1.5], "top_logprobs": [None, {"b": -1.5}]}
        told["text_offset"] = [0, 40]
        return httpx.Response(
            200,
            json={"choices": [{"index": at, "text": "x", "logprobs": told} for at in reversed(range(len(prompts)))]},
        )

    served = answering(answer)
    short = Question("1", ("q" * 10,), "", SHOTS, (" a",))
    (found,) = served.likelihoods([short])
    assert found.dropped == 2 and found.found[0].greedy and math.isclose(found.found[0].logprob, -1.5)
    (never,) = served.likelihoods([Question("1", ("q" * 60,), "", SHOTS, (" a",))])
    assert (never.found, never.unknown) == (None, "refused by the server: the context is 50")
    (written,) = served.texts([short], (), 5)
    assert (written.found, written.dropped) == ("x", 2)


@pytest.mark.parametrize(
    ("response", "told"),
    [
        (
            httpx.Response(200, json={"choices": [{"index": 0, "text": "x", "logprobs": None}]}),
            "tells no probabilities",
        ),
        (httpx.Response(404, json={"error": {"message": "no such model"}}), "says 404: no such model"),
        (httpx.Response(200, text="<html>"), "something else than JSON"),
        (httpx.Response(503, text="busy"), "says 503: busy"),
    ],
)
def test_what_servers_say_is_told(response: httpx.Response, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint.time, "sleep", lambda seconds: None)
    with pytest.raises(UserError, match=told):
        list(answering(lambda body: response).likelihoods([Question("1", ("q",), answers=(" a",))]))


def test_a_moment_of_trouble_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint.time, "sleep", lambda seconds: None)
    tries = iter(
        [httpx.Response(429), httpx.Response(500), httpx.Response(200, json={"choices": [{"index": 0, "text": "yes"}]})]
    )
    (found,) = answering(lambda body: next(tries)).texts([Question("1", ("q",))], (), 5)
    assert found.found == "yes"


def test_nobody_there() -> None:
    with pytest.raises(UserError, match=r"http://127\.0\.0\.1:1/v1 does not answer"):
        Endpoint("http://127.0.0.1:1/v1")


def test_conversations_of_a_served_model() -> None:
    def answer(body: dict[str, Any]) -> httpx.Response:
        if body["messages"][-1]["content"] == "long":
            return httpx.Response(400, json={"error": {"message": "too long"}})
        message = {"role": "assistant", "content": None, "refusal": "No."} if len(body["messages"]) > 1 else {}
        return httpx.Response(200, json={"choices": [{"index": 0, "message": {"content": "Yes."} | message}]})

    turns = [[{"role": "user", "content": text}] for text in ("short", "long")]
    turns.append([{"role": "system", "content": "s"}, *turns[0]])
    one, long, refused = answering(answer).replies(turns, 5)
    assert (one.found, long.unknown, refused.found) == ("Yes.", "refused by the server: too long", "No.")
