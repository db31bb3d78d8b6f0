from __future__ import annotations

import json
from typing import Any

import pytest

from hornbook.teacher.client.dialect import Dialect
from hornbook.teacher.client.messages import Reply, Request, Usage, judge
from hornbook.teacher.interface import Message

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
ASKED = Request((Message("user", "x"),), schema=SCHEMA)
OTHER = Request((Message("user", "y"),), schema={"type": "object"})


def said(words: Any) -> bytes:
    return json.dumps({"error": {"message": words}}).encode()


def reply(text: str) -> Reply:
    return Reply(text, "stop", "", Usage())


def form(dialect: Dialect, request: Request = ASKED) -> str:
    asked = dialect.build(request, []).get("response_format")
    return "words" if asked is None else asked["type"] + (" beside" if "schema" in asked else "")


@pytest.mark.parametrize(
    ("status", "words", "expected"),
    [
        (400, "'response_format.type' must be 'json_object' or 'text'", "json_object beside"),
        (
            400,
            "Invalid parameter: 'response_format' of type 'json_schema' is not supported with m",
            "json_object beside",
        ),
        (400, "response_format is not supported", "words"),
        (500, "Unknown field: response_format", "words"),
        (500, "failed to parse grammar", "words"),
        (501, "no structured outputs", "words"),
        (500, "the process that holds the schema has died", "json_schema"),
        (503, "the queue for structured outputs is full", "json_schema"),
        (429, "rate limit of json_schema requests", "json_schema"),
        (400, "messages are too long", "json_schema"),
        (500, "", "json_schema"),
    ],
)
def test_what_counts_as_a_refusal(status: int, words: str, expected: str) -> None:
    dialect = Dialect("m")
    told = dialect.refused(status, said(words), dialect.build(ASKED, []), ASKED)
    assert form(dialect) == expected
    assert bool(told) == (expected != "json_schema")


def test_fastapi_sends_the_request_back_which_is_not_read_as_words() -> None:
    dialect = Dialect("m")
    body = dialect.build(ASKED, [])
    echoed = json.dumps({"detail": [{"loc": ["body", "top_k"], "msg": "Field required", "input": body}]}).encode()
    assert dialect.refused(422, echoed, body, ASKED) == ""
    refusal = [{"loc": ["body", "response_format", "type"], "msg": "Input should be 'text'", "input": body}]
    assert dialect.refused(422, json.dumps({"detail": refusal}).encode(), body, ASKED)


def test_one_schema_that_is_refused_where_another_has_worked() -> None:
    dialect = Dialect("m")
    dialect.answered(dialect.build(OTHER, []), reply("{}"), OTHER, first=True)
    dialect.refused(400, said("invalid JSON schema: integer"), dialect.build(ASKED, []), ASKED)
    assert (form(dialect), form(dialect, OTHER)) == ("json_object beside", "json_schema")


def test_what_is_learned_late_does_not_go_down_twice() -> None:
    dialect = Dialect("m")
    bodies = [dialect.build(ASKED, []) for _ in range(4)]  # all under way at once
    for body in bodies:
        dialect.refused(500, said("Input should be 'text' or 'json_object'"), body, ASKED)
    assert form(dialect) == "json_object beside"


def test_errors_without_words_are_tried_without_a_schema_once() -> None:
    dialect = Dialect("m")
    requests = [Request((Message("user", str(n)),), schema=SCHEMA) for n in range(4)]
    assert [dialect.failed(dialect.build(one, []), one) for one in requests] == [False, False, False, True]
    assert form(dialect) == "words"
    assert not dialect.failed(dialect.build(requests[3], []), requests[3])  # it was not that
    assert form(dialect) == "json_schema"
    assert not any(dialect.failed(dialect.build(one, []), one) for one in requests * 3)
    assert form(dialect) == "json_schema"


def test_a_server_that_keeps_to_json_alone_gets_the_schema_in_words_as_well() -> None:
    dialect = Dialect("m")
    assert "JSON schema" not in dialect.build(ASKED, [])["messages"][-1]["content"]
    found = [dialect.answered(dialect.build(ASKED, []), reply('{"b": 1}'), ASKED, first=True) for _ in range(3)]
    assert [bool(one) for one in found] == [False, False, True]
    assert form(dialect) == "json_schema"
    assert "JSON schema" in dialect.build(ASKED, [])["messages"][-1]["content"]


def test_an_answer_that_tried_is_shown_once_with_its_fault() -> None:
    asked, own, fault = Dialect("m").build(ASKED, [reply('{"b": 1}')])["messages"]
    assert (asked["content"], own) == ("x", {"role": "assistant", "content": '{"b": 1}'})
    assert "has no 'a'" in fault["content"] and "JSON schema" in fault["content"]
    cut = Dialect("m").build(ASKED, [Reply('{"b": 1', "length", "", Usage())])["messages"]
    assert cut[1]["content"] == '{"a": 0}'  # the example: what was too long would be as long again
    long = Dialect("m").build(ASKED, [reply("{" * 5_000)])["messages"]
    assert [len(message["content"]) > 1_100 for message in long] == [False, False, False]


@pytest.mark.parametrize(
    ("replies", "told"),
    [(["I would say 3."], ""), ([" "], ""), (['{"b": 1}', '{"b": 2}'], "An earlier answer, number 2")],
)
def test_otherwise_the_form_is_shown_by_an_example(replies: list[str], told: str) -> None:
    messages = Dialect("m").build(ASKED, [reply(text) for text in replies])["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert messages[1]["content"] == '{"a": 0}'
    assert messages[2]["content"].startswith(f"x\n\n{told}")
    assert ("could not be used" in messages[2]["content"]) == bool(told)
    assert not any(text in messages[2]["content"] for text in replies if text.strip())


def test_an_endpoint_that_is_told_in_vain_sees_an_example_from_the_first() -> None:
    dialect = Dialect("m")
    dialect.refused(400, said("no response_format"), dialect.build(ASKED, []), ASKED)
    found = [dialect.answered(dialect.build(ASKED, []), reply("Three."), ASKED, first=True) for _ in range(3)]
    assert [bool(one) for one in found] == [False, False, True]
    assert [message["role"] for message in dialect.build(ASKED, [])["messages"]] == ["user", "assistant", "user"]


def test_whoever_repeats_the_example_has_said_nothing() -> None:
    schema = {"type": "object", "properties": {"why": {"type": "string"}, "n": {"type": "integer", "maximum": 4}}}
    request = Request((Message("user", "x"),), schema=schema)
    example = Dialect("m").build(request, [reply("no")])["messages"][1]["content"]
    assert json.loads(example) == {"why": "...", "n": 2}
    assert judge(reply(example), request).detail == "it repeats the example"
    assert judge(reply('{"why": "It is so.", "n": 2}'), request).failure is None
    assert judge(reply('{"a": 0}'), ASKED).failure is None  # an example without words is an answer like others
