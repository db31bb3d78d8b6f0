"""OpenAI's own client against a server: answers, streams, probabilities, schemas, errors it has exceptions for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import torch

from hornbook.inference.generate import complete
from hornbook.model import open_model

HELLO: list[Any] = [{"role": "user", "content": "add_all"}]


@pytest.fixture
def client(server: Any) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=60)


def test_a_completion_is_what_generate_writes(client: openai.OpenAI, served_folder: Path) -> None:
    model, tokenizer = open_model(served_folder, device="cpu")
    wanted = "".join(complete(model, tokenizer, "def add_all(values):", limit=40))
    made = client.completions.create(model="tiny", prompt="def add_all(values):", max_tokens=40)
    assert made.choices[0].text == wanted
    pieces = client.completions.create(model="tiny", prompt="def add_all(values):", max_tokens=40, stream=True)
    texts = [piece.choices[0].text for piece in pieces]
    assert "".join(texts) == wanted
    assert len(texts) > 5


@pytest.mark.parametrize("echo", [False, True])
def test_a_stream_tells_tokens_and_where_they_begin_as_a_whole_answer_does(client: openai.OpenAI, echo: bool) -> None:
    asked: dict[str, Any] = {"model": "tiny", "prompt": "def é", "max_tokens": 20, "logprobs": 1, "n": 2, "seed": 4}
    whole = client.completions.create(**asked, echo=echo)
    pieces = list(client.completions.create(**asked, echo=echo, stream=True))
    for choice in whole.choices:
        parts = [one.choices[0].logprobs for one in pieces if one.choices[0].index == choice.index]
        offsets = [offset for part in parts if part for offset in part.text_offset]
        assert choice.logprobs is not None and len(set(offsets)) > 5
        # A whole answer tells of what ended it, too.
        assert offsets == choice.logprobs.text_offset[: len(offsets)]
        assert len(choice.logprobs.tokens) - len(offsets) in (0, 1)
        tokens = [token for part in parts if part for token in part.tokens]
        assert tokens == choice.logprobs.tokens[: len(tokens)]


def test_a_chat_with_usage_seed_and_several_choices(client: openai.OpenAI) -> None:
    def ask(**options: Any) -> Any:
        told = {"messages": HELLO, "max_completion_tokens": 20, "temperature": 1.2, "n": 3} | options
        return client.chat.completions.create(model="tiny", **told)

    first, again, other = ask(seed=5), ask(seed=5), ask(seed=6)
    texts = [[choice.message.content for choice in made.choices] for made in (first, again, other)]
    assert texts[0] == texts[1] != texts[2]
    assert len(set(texts[0])) == 3
    assert first.usage.completion_tokens <= 60
    assert first.usage.total_tokens == first.usage.prompt_tokens + first.usage.completion_tokens
    long = [{"role": "user", "content": "total value " * 40}]
    ask(messages=long, n=1)
    assert ask(messages=long, n=1).usage.prompt_tokens_details.cached_tokens > 50
    *chunks, last = client.chat.completions.create(
        model="tiny", messages=HELLO, max_tokens=9, stream=True, stream_options={"include_usage": True}
    )
    assert (chunks[0].choices[0].delta.role, last.choices) == ("assistant", [])
    assert last.usage is not None and last.usage.completion_tokens <= 9
    assert chunks[-1].choices[0].finish_reason in ("stop", "length")


def test_a_stop_string_is_never_said(client: openai.OpenAI) -> None:
    free = client.completions.create(model="tiny", prompt="def", max_tokens=60).choices[0].text
    stop = free[20:25]
    made = client.completions.create(model="tiny", prompt="def", max_tokens=60, stop=["never said", stop])
    assert made.choices[0].text == free[: free.index(stop)]
    assert made.choices[0].finish_reason == "stop"
    pieces = client.completions.create(model="tiny", prompt="def", max_tokens=60, stop=stop, stream=True)
    assert "".join(piece.choices[0].text for piece in pieces) == free[: free.index(stop)]


def test_probabilities(client: openai.OpenAI, served_folder: Path) -> None:
    """As lm-eval's local-completions asks for them: the prompt's ids, echoed, and one token that it drops."""
    model, tokenizer = open_model(served_folder, device="cpu")
    prompts = [tokenizer.encode("def add_all(values):\n    total"), tokenizer.encode("class Shop")]
    made = client.completions.create(
        model="tiny", prompt=prompts, max_tokens=1, echo=True, logprobs=1, temperature=0, seed=1
    )
    assert [choice.index for choice in made.choices] == [0, 1]
    for ids, choice in zip(prompts, made.choices, strict=True):
        told = choice.logprobs
        assert told is not None and told.token_logprobs is not None and told.top_logprobs is not None
        assert len(told.token_logprobs) == len(ids) + 1
        with torch.inference_mode():
            logs = model(torch.tensor([ids]))[0].log_softmax(-1)
        for position in range(1, len(ids)):
            assert told.token_logprobs[position] == pytest.approx(float(logs[position - 1, ids[position]]), abs=1e-3)
            greedy = int(logs[position - 1].argmax()) == ids[position]
            assert greedy == (told.token_logprobs[position] == max(told.top_logprobs[position].values()))
        assert choice.text.startswith(tokenizer.decode(ids))
    chat = client.chat.completions.create(model="tiny", messages=HELLO, max_tokens=4, logprobs=True, top_logprobs=2)
    content = chat.choices[0].logprobs.content  # type: ignore[union-attr]
    assert content is not None
    assert all(len(token.top_logprobs) == 2 and token.top_logprobs[0].logprob == token.logprob for token in content)


def test_schemas_and_patterns_are_followed(client: openai.OpenAI) -> None:
    schema = {
        "type": "object",
        "properties": {"score": {"type": "integer", "minimum": 0, "maximum": 5}, "why": {"type": "string"}},
        "required": ["why", "score"],
        "additionalProperties": False,
    }
    asked: Any = {"type": "json_schema", "json_schema": {"name": "grade", "schema": schema, "strict": True}}
    for seed in range(5):
        made = client.chat.completions.create(
            model="tiny", messages=HELLO, response_format=asked, seed=seed, temperature=1, max_tokens=150
        )
        value = json.loads(made.choices[0].message.content or "")
        assert value.keys() == {"why", "score"}
        assert 0 <= value["score"] <= 5
    pattern: Any = {"type": "regex", "pattern": "(yes|no), [0-9]{3}"}
    made = client.chat.completions.create(model="tiny", messages=HELLO, response_format=pattern, max_tokens=50)
    assert re.fullmatch("(yes|no), [0-9]{3}", made.choices[0].message.content or "")


@pytest.mark.parametrize(
    ("asked", "error", "told"),
    [
        ({"model": "other"}, openai.NotFoundError, "this is tiny"),
        ({"messages": []}, openai.BadRequestError, "messages"),
        ({"temperature": -1}, openai.BadRequestError, "temperature"),
        ({"n": 65}, openai.BadRequestError, "n:"),
        ({"messages": [{"role": "user", "content": "word " * 3000}]}, openai.BadRequestError, "context is 2048"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "odd"}}}},
            openai.BadRequestError,
            "cannot be enforced",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_refused_has_the_exception_it_deserves(
    asked: dict[str, Any], error: type[openai.APIStatusError], told: str, client: openai.OpenAI
) -> None:
    with pytest.raises(error, match=told):
        client.chat.completions.create(**({"model": "tiny", "messages": HELLO, "max_tokens": 3} | asked))


def test_models(client: openai.OpenAI) -> None:
    (model,) = client.models.list().data
    assert model.id == "tiny"
    assert client.models.retrieve("tiny").id == "tiny"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("other")


def test_the_key(start: Callable[..., Any]) -> None:
    server = start("--host", "0.0.0.0", "--api-key-env", "THE_KEY", THE_KEY="s3cret")
    url = re.sub(r"0\.0\.0\.0", "127.0.0.1", server.url)
    for key in ("s3cret", "s3cre", "s3cret2", ""):
        client = openai.OpenAI(base_url=f"{url}/v1", api_key=key or "none", max_retries=0)
        if key == "s3cret":
            assert client.models.list().data
        else:
            with pytest.raises(openai.AuthenticationError):
                client.models.list()
    assert httpx.get(f"{url}/metrics").status_code == 401
    assert httpx.get(f"{url}/health").status_code == 200
    raw = httpx.get(f"{url}/v1/models", headers=[(b"Authorization", "Bearer ключ".encode())])
    assert raw.status_code == 401
