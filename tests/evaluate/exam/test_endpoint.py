"""A served model is asked as a model of ours is; whatever a server says is told in a line."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.evaluate.exam.test_grading import Connect, connect  # noqa: F401 (a fixture)
from tests.evaluate.safety.test_toxigen import sentences
from tests.serve.conftest import Server, served_folder  # noqa: F401 (a fixture)
from tokenizers import Tokenizer, processors

from hornbook.errors import UserError
from hornbook.evaluate.exam import endpoint, grading
from hornbook.evaluate.exam.candidate import ONE_TOKEN, TOO_LONG, LocalModel
from hornbook.evaluate.exam.endpoint import Endpoint
from hornbook.evaluate.exam.examination import examine
from hornbook.evaluate.exam.rules import Question
from hornbook.evaluate.exam.settings import ExamSettings
from hornbook.files import read_jsonl
from hornbook.progress import Progress

SHOTS = tuple(f"if value {n}:\n    return {n}\n\n" for n in range(3))
TALK = """
title = "Talk"
about = "two turns of a user's own"
source = "nowhere"
score = "dialogue"
prompt = "{{ said|join }}"
turns = "said"
new_tokens = 8
files = [{ file = "talk.jsonl" }]
judge = { prompt = "{% for one in before %}{{ one.asked }}{% endfor %}{{ asked }}{{ answer }}", grades = { wit = "w" } }
"""
QUESTIONS = [
    Question("1", ("def add_all(values):",), "Code.\n\n", SHOTS, (" total", " value = 1", " return")),
    Question("2", ("for item in ",), answers=("values", "items")),
    Question("3", ("na\u00efve \U0001f642\U0001f642 value",), answers=(" \U0001f642 total", " \u00ef")),
]


@pytest.fixture(scope="module")
def folder(served_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """A model that begins every text with a control token, as many do; many a character is several tokens."""
    made = tmp_path_factory.mktemp("begins") / "tiny"
    shutil.copytree(served_folder, made)
    fast = Tokenizer.from_file(str(made / "tokenizer.json"))
    name = "<|endoftext|>"
    fast.post_processor = processors.TemplateProcessing(
        single=f"{name} $A", special_tokens=[(name, fast.token_to_id(name))]
    )
    fast.save(str(made / "tokenizer.json"))
    return made


@pytest.fixture(scope="module")
def server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(folder, tmp_path_factory.mktemp("log") / "log", "--dtype", "fp32")
    yield made
    made.close()


def test_served_and_local_answers_are_the_same(server: Server, folder: Path) -> None:
    served, local = Endpoint(f"{server.url}/v1"), LocalModel.load(folder)
    assert local.tokenizer.begins
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


def test_toxigens_score_of_a_served_model_is_that_of_a_local_one(server: Server, folder: Path, tmp_path: Path) -> None:
    rows = sentences(60, seed=2)
    odd = ("a", "value " * 3000, "", "\U0001f642 value \u00ef total")
    rows += [{**rows[0], "text": text} for text in odd]
    (tmp_path / "toxigen_human.json").write_text(json.dumps(rows))
    settings = ExamSettings(benchmarks=("toxigen",), data=tmp_path)
    served, local = (
        examine(candidate, settings, Progress(), tmp_path / name)["benchmarks"]["toxigen"]
        for name, candidate in (("served", Endpoint(f"{server.url}/v1")), ("local", LocalModel.load(folder)))
    )
    assert local["unknown"] == {ONE_TOKEN: 2, TOO_LONG: 1}
    (refused,) = set(served["unknown"]) - {ONE_TOKEN}
    assert served["unknown"][ONE_TOKEN] == 2 and refused.startswith("refused by the server: this model's context is")
    assert served["n"] == local["n"] == 61 and set(served["groups"]) == {"bakers", "tailors"}
    assert served["metrics"] == local["metrics"] and served["groups"] == local["groups"]
    perplexities = [
        [row.get("perplexity", 0.0) for row in read_jsonl(tmp_path / name / "rows" / "toxigen.jsonl")]
        for name in ("served", "local")
    ]
    assert perplexities[0] == pytest.approx(perplexities[1], rel=1e-4)


def test_a_served_model_judges_a_served_model(
    server: Server,
    own_data: Path,
    tmp_path: Path,
    connect: Connect,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Random weights that must follow the schema grade what random weights say."""
    monkeypatch.setattr(grading, "MAX_TOKENS", 200)
    (own_data / "talk.toml").write_text(TALK)
    (own_data / "talk.jsonl").write_text('{"said": ["for item", "return"]}\n{"said": "no list"}\n')
    address = f"{server.url}/v1"
    with connect(address, "tiny", timeout=60.0) as client:
        settings = ExamSettings(benchmarks=("tinystories", "talk"), data=own_data, limit=2)
        figures = examine(Endpoint(address), settings, Progress(), tmp_path / "r", teacher=client)
    assert figures["benchmarks"]["talk"]["unknown"] == {"lacks the field said, a list of turns": 1}
    assert [one["n"] for one in figures["benchmarks"].values()] == [2, 1]
    for name, names in (("tinystories", ("grammar", "creativity", "consistency")), ("talk", ("wit",))):
        for row in read_jsonl(tmp_path / "r" / "rows" / f"{name}.jsonl"):
            assert all(1 <= said[one] <= 10 for said in row["grades"] for one in names)


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


def told(*tokens: str, first: float | None = None, **changes: Any) -> dict[str, Any]:
    """A choice that tells tokens of probability 1/e each."""
    offsets = [sum(map(len, tokens[:at])) for at in range(len(tokens))]
    logprobs = [first, *[-1.0] * (len(tokens) - 1)]
    top = [one if one is None else {token: one} for token, one in zip(tokens, logprobs, strict=True)]
    found = {"tokens": list(tokens), "token_logprobs": logprobs, "top_logprobs": top, "text_offset": offsets}
    return {"index": 0, "text": "".join(tokens), "logprobs": found | changes}


def test_what_a_server_puts_in_front_is_no_part_of_an_answer() -> None:
    """Other servers count what they begin a text with, and half characters, as characters of the text."""
    choice = told("<s>", "\ufffd", "\ufffd", "\ufffd", "q", ".", " a", "b")
    served = answering(lambda body: httpx.Response(200, json={"choices": [choice]}))
    (found,) = served.likelihoods([Question("1", ("\u65e5q.",), answers=(" ab",))])
    assert (found.found[0].logprob, found.found[0].greedy, found.tokens) == (-2.0, True, 6)


@pytest.mark.parametrize(("prompt", "answer", "tokens"), [("", " a", (" a",)), ("ret", "urn", ("return",))])
def test_a_texts_first_token_has_no_probability(prompt: str, answer: str, tokens: tuple[str, ...]) -> None:
    served = answering(lambda body: httpx.Response(200, json={"choices": [told(*tokens)]}))
    (found,) = served.likelihoods([Question("1", (prompt,), answers=(answer,))])
    assert found.found is None and found.unknown.startswith("nothing stands before the answer")


def test_a_sentence_stands_by_itself_or_is_unknown() -> None:
    bodies = []

    def answer(body: dict[str, Any]) -> httpx.Response:
        bodies.append(body)
        return httpx.Response(200, json={"choices": [told(*tokens)]})

    served = answering(answer)
    tokens: tuple[str, ...] = ("<s>", "It", " is")
    (found,) = served.perplexities([Question("1", ("It is",))])
    assert (found.found, found.unknown) == (None, "the server reads '<s>' before a text")
    assert bodies[0]["add_special_tokens"] is False
    tokens = (" It", " is")  # of SentencePiece
    (found,) = served.perplexities([Question("1", ("It is",))])
    assert found.found == pytest.approx(math.e)


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ([told("q", " a", top_logprobs=[None, None])], "tells no probabilities"),
        ([told("q", " a", top_logprobs=None)], "tells no probabilities"),
        ([told("q", " a", token_logprobs=[None, None])], "tells no probabilities"),
        ([told("q", " a", tokens=["q"])], "tells no probabilities"),
        ([told("q", " a", text_offset=[0, None])], "tells no probabilities"),
        ([], "answers without the 1 choice"),
        ([told("q", " a")] * 2, "answers without the 1 choice"),
        (None, "answers without the 1 choice"),
        ([{"index": 0}], "answers without the 1 choice"),
        ([{"index": "x", "text": ""}], "answers without the 1 choice"),
        (["q"], "answers without the 1 choice"),
    ],
)
def test_what_is_no_answer_is_told_in_a_line(choices: Any, said: str) -> None:
    served = answering(lambda body: httpx.Response(200, json={"choices": choices}))
    with pytest.raises(UserError, match=said):
        list(served.likelihoods([Question("1", ("q",), answers=(" a",))]))


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
