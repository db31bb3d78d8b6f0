from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from hornbook.teacher.client.messages import (
    Answer,
    DamagedError,
    ForeignError,
    Reply,
    Request,
    Usage,
    judge,
    read_reply,
    settled,
)
from hornbook.teacher.interface import Message

PLAIN = Request((Message("user", "x" * 41),))
FITTED = Request((Message("user", "x"),), schema={"type": "object"})
BASE = Request((Message("system", "be brief"), Message("user", "hello")), schema={"type": "object", "required": ["a"]})


def test_the_key_is_the_same_in_every_process() -> None:
    source = (
        "from hornbook.teacher.client.messages import Request; from hornbook.teacher.interface import Message; "
        "print(Request((Message('user', 'hello'),), temperature=1).key('m'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", source],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert done.stdout.strip() == Request((Message("user", "hello"),), temperature=1.0).key("m")


@pytest.mark.parametrize(
    "change",
    [
        {"messages": (Message("user", "be brief"), Message("user", "hello"))},
        {"messages": (Message("user", "hello"),)},
        {"schema": None},
        {"schema": {"type": "object", "required": ["b"]}},
        {"temperature": 0.0},
        {"top_p": 0.9},
        {"max_tokens": 7},
        {"seed": 1},
        {"stop": ("\n",)},
    ],
)
def test_everything_that_decides_the_answer_changes_the_key(change: dict[str, Any]) -> None:
    assert replace(BASE, **change).key("m") != BASE.key("m")


def test_what_does_not_decide_the_answer_does_not_change_the_key() -> None:
    assert replace(BASE, about={"row": 3}).key("m") == BASE.key("m") != BASE.key("n")
    assert replace(BASE, schema={"required": ["a"], "type": "object"}).key("m") == BASE.key("m")


def test_mistakes_of_the_asker_are_errors() -> None:
    with pytest.raises(ValueError, match="needs a message"):
        Request(())
    with pytest.raises(ValueError, match="oneOf"):
        replace(BASE, schema={"oneOf": []})


def test_usage_adds_up() -> None:
    assert Usage(1, 2) + Usage(3, 4, estimated=True) == Usage(4, 6, estimated=True)
    assert Answer(BASE).ok and not Answer(BASE, failure="refused").ok


def body(message: Any, finish: Any = "stop", **rest: Any) -> bytes:
    return json.dumps({"choices": [{"message": message, "finish_reason": finish}], **rest}).encode()


def test_a_completion_is_read() -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
    assert read_reply(body({"content": "hello"}, usage=usage), PLAIN) == Reply("hello", "stop", "", Usage(5, 7))


def test_tokens_that_nobody_counted_are_estimated() -> None:
    for usage in ({}, {"usage": None}, {"usage": {"prompt_tokens": "5"}}, {"usage": {"prompt_tokens": -1}}):
        assert read_reply(body({"content": "hello"}, **usage), PLAIN).usage == Usage(11, 2, estimated=True)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"<html>",
        b"\xff\xfe",
        b'{"choices": []}',
        b'{"choices": [{}]}',
        b'{"choices": [{"message": null}]}',
        b'{"choices": [{"message": {"content": 3}}]}',
        b'{"choices": [{"message": {"content": ["a"]}}]}',
        b"[" * 100_000,
        body({"content": "x"})[:-1],
    ],
)
def test_what_is_no_completion_is_damaged(content: bytes) -> None:
    with pytest.raises(DamagedError):
        read_reply(content, PLAIN)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "nothing at all"),
        (
            b"<!DOCTYPE html>\n<title>Log  in</title>",
            "a web page, which begins with: <!DOCTYPE html> <title>Log in</title>",
        ),
        (b"\xff\x00\x1b[31m", "something else, which begins with: \ufffd\ufffd\ufffd[31m"),
        (b'{"error": "Unexpected endpoint"}', '{"error": "Unexpected endpoint"}'),
        (b'{"choices": [{"text": "of an older protocol"}]}', "older protocol"),
        (b'{"choices": [{"delta": {"content": "a"}}]}', "delta"),
        (b'{"message": {}, "done": false}\n{"message": {}}', '"done": false'),
        (b"data: {}\n\n" * 100, "data: {} dat…"),
    ],
)
def test_what_is_something_else_is_shown(content: bytes, told: str) -> None:
    with pytest.raises(ForeignError) as error:
        read_reply(content, PLAIN)
    assert told in str(error.value)
    assert len(str(error.value)) < 250


@pytest.mark.parametrize(
    "content", [b'{"choices": []}', b'{"choices": [{"message": null}]}', b'{"choi', b'{"a": ' * 9, b'{"choices": [] ,']
)
def test_what_may_have_been_a_completion_is_not_something_else(content: bytes) -> None:
    with pytest.raises(DamagedError) as error:
        read_reply(content, PLAIN)
    assert not isinstance(error.value, ForeignError)


@given(some.binary(max_size=60) | some.text(max_size=60).map(str.encode))
def test_any_bytes_are_read_or_damaged(content: bytes) -> None:
    with pytest.raises(DamagedError):
        read_reply(content, PLAIN)


@given(some.integers(min_value=0))
def test_a_body_cut_anywhere_is_damaged(where: int) -> None:
    whole = body({"content": "héllo"}, usage={"prompt_tokens": 5, "completion_tokens": 7})
    with pytest.raises(DamagedError):
        read_reply(whole[: where % len(whole)], PLAIN)


@pytest.mark.parametrize(
    ("reply", "request_", "failure", "final"),
    [
        (Reply("hello", "stop", "", Usage()), PLAIN, None, True),
        (Reply("hel", "length", "", Usage()), PLAIN, None, True),
        (Reply(" ", "stop", "", Usage()), PLAIN, "empty", False),
        (Reply("<think>hm</think>\n", "stop", "", Usage()), PLAIN, "empty", False),
        (Reply("", "stop", "no", Usage()), PLAIN, "refused", True),
        (Reply("half", "content_filter", "", Usage()), PLAIN, "refused", True),
        (Reply("{}", "stop", "", Usage()), FITTED, None, True),
        (Reply("{}", "length", "", Usage()), FITTED, "invalid", False),
        (Reply("[]", "stop", "", Usage()), FITTED, "invalid", False),
        (Reply("{", "stop", "", Usage()), FITTED, "invalid", False),
    ],
)
def test_judgement(reply: Reply, request_: Request, failure: str | None, final: bool) -> None:
    verdict = judge(reply, request_)
    assert (verdict.failure, verdict.final) == (failure, final)
    assert bool(verdict.detail) == (failure is not None)


def test_thoughts_are_no_part_of_a_plain_answer() -> None:
    answer = settled([Reply("<think>A dog?</think>\nThe dog ran.", "stop", "", Usage())], PLAIN, 1)
    assert answer is not None and answer.text.strip() == "The dog ran."
