"""What a request leaves open is what the model's own files say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hornbook.errors import UserError
from hornbook.inference.sampling import Sampling
from hornbook.serve.guard import Guard
from hornbook.serve.settings import ServeSettings, origin_of
from hornbook.serve.wire import ChatAsked, CompletionAsked, RefusedError, parsed

PUBLISHED = Sampling(temperature=0.6, top_k=50, top_p=0.9, min_p=0.1, repetition_penalty=1.1)


@pytest.mark.parametrize(
    ("asked", "changed"),
    [
        ({}, {}),
        ({"temperature": 0}, {"temperature": 0.0}),
        ({"temperature": 1.5, "top_p": 0.5}, {"temperature": 1.5, "top_p": 0.5}),
        ({"top_k": -1, "min_p": 0}, {"top_k": 0, "min_p": 0.0}),
        ({"top_p": 0}, {"top_p": 1.0, "top_k": 1}),
        ({"repetition_penalty": 1, "presence_penalty": 0.5}, {"repetition_penalty": 1.0, "presence_penalty": 0.5}),
    ],
    ids=str,
)
def test_tokens_are_chosen_as_asked_and_else_as_the_models_files_say(
    asked: dict[str, Any], changed: dict[str, Any]
) -> None:
    request = ChatAsked(messages=[{"role": "user", "content": "Hi"}], **asked)
    assert request.sampling(PUBLISHED, 7) == PUBLISHED.model_copy(update={**changed, "seed": 7})


def test_null_is_as_if_it_was_not_said() -> None:
    said = dict.fromkeys(("n", "stream", "logprobs", "top_logprobs", "stop", "max_tokens", "response_format"))
    messages = [{"role": "user", "content": "Hi"}]
    assert ChatAsked(messages=messages, **said) == ChatAsked(messages=messages)
    assert CompletionAsked(prompt="Hi", n=None, echo=None, stream=None) == CompletionAsked(prompt="Hi")


def test_parts_of_a_message_are_one_text() -> None:
    said = [{"type": "text", "text": "one, "}, {"type": "text", "text": "two"}]
    assert ChatAsked(messages=[{"role": "user", "content": said}]).messages[0].plain["content"] == "one, two"
    assert ChatAsked(messages=[{"role": "user", "content": []}]).messages[0].plain["content"] == ""


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ([{"type": "image_url", "image_url": {"url": "https://example.org"}}], "content: .*'image_url': .*type 'text'"),
        ([{"type": "text"}], "content: .*without its text"),
        (["text"], "content: .*without its text"),
        (5, "content: .*valid string"),
    ],
    ids=str,
)
def test_what_is_no_text_is_named(content: Any, told: str) -> None:
    body = json.dumps({"messages": [{"role": "user", "content": content}]}).encode()
    with pytest.raises(RefusedError, match=told):
        parsed(ChatAsked, body)


@pytest.mark.parametrize("site", ["https://example.org", "https://example.org/", " http://localhost:3000/ "])
def test_a_site_is_what_browsers_tell_of_it(site: str) -> None:
    assert origin_of(site) == site.strip().rstrip("/")


@pytest.mark.parametrize("site", ["example.org", "*", "https://*.example.org", "https://example.org/page", ""])
def test_what_is_no_site_is_refused_before_anybody_asks(site: str) -> None:
    with pytest.raises(UserError, match="is no site such as"):
        origin_of(site)


@pytest.mark.parametrize(
    ("listens", "asked", "answered"),
    [
        ("127.0.0.1", "localhost:8000", True),
        ("127.0.0.2", "127.0.0.2:8000", True),
        ("127.0.0.1", "127.0.0.2:8000", False),
        ("::1", "[::1]:8000", True),
        ("127.0.0.1", "evil.example", False),
    ],
)
def test_without_a_key_only_this_machines_own_names_are_answered(listens: str, asked: str, answered: bool) -> None:
    guard = Guard(lambda *_: None, ServeSettings(host=listens), None)  # type: ignore[arg-type]
    scope = {"type": "http", "method": "GET", "path": "/v1/models", "headers": [(b"host", asked.encode())]}
    assert (guard._refusal(scope) is None) is answered
