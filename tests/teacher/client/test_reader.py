from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from hornbook.teacher.client.reader import parse, read
from hornbook.teacher.client.schema import complaint
from hornbook.teacher.client.wording import shape

GRADE = {
    "type": "object",
    "properties": {
        "reason": {"type": "string", "description": "why"},
        "score": {"type": "integer", "minimum": 0, "maximum": 5},
    },
    "required": ["reason", "score"],
    "additionalProperties": False,
}
WHOLE = {"reason": "It teaches.", "score": 3}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        (' \n{"a": 1}\n ', {"a": 1}),
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ("```\n[1]\n```\n", [1]),
        ('<think>{"a": 2}?</think>\n{"a": 1}', {"a": 1}),
        ('<think>\nhm\n</think>\n```json\n{"a": "```"}\n```', {"a": "```"}),
        ("1e3", 1000.0),
    ],
)
def test_json_is_read(text: str, value: Any) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        'Here it is: {"a": 1}',
        '{"a": 1} Done.',
        '{"a": 1}{"a": 2}',
        "```json\n1\n```\nor\n```json\n2\n```",
        "{'a': 1}",
        '{"a": 1,}',
        '{"a": NaN}',
        '{"a": 1e999}',
        '{"a": 1, "a": 2}',
        '{"a": "\\ud800"}',
        "[" * 100_000,
        "1" * 5000,
        '<think>{"a": 1}',
    ],
)
def test_what_is_not_quite_json_is_no_json(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse(text)


@given(some.text(max_size=80))
def test_any_text_is_json_or_an_error(text: str) -> None:
    try:
        value = parse(text)
    except ValueError:
        return
    json.dumps(value, allow_nan=False)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(WHOLE),
        f"Here it is: {json.dumps(WHOLE)} I hope that helps.",
        f"```json\n{json.dumps(WHOLE)}\n```\nAs you see, it teaches.",
        f"<think>{{}}</think>Sure!\n```\n{json.dumps(WHOLE, indent=2)}\n```",
        f"{json.dumps(WHOLE)}\n{json.dumps(WHOLE)}",
        f"A set {{such as this}} and then {json.dumps(WHOLE)}",
        f'The schema was {{"type": "object"}}. {json.dumps(WHOLE)}',
        "Reason: It teaches.\nScore: 3",
        "**Score:** 3/5\n**Reason:** It teaches.",
        "- reason = It teaches.\n- score = 3 points",
        "It teaches.\n\nScore: 3 out of 5",
    ],
)
def test_one_value_is_read_from_among_words(text: str) -> None:
    assert read(text, GRADE) == (WHOLE, "")


def test_a_line_break_within_a_string_is_read() -> None:
    assert read('{"reason": "It\nteaches.", "score": 3}', GRADE) == ({"reason": "It\nteaches.", "score": 3}, "")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (f'{json.dumps(WHOLE)} or {{"reason": "It does not.", "score": 0}}', "several values that fit"),
        ('So: {"reason": "It teaches.", "score": 9}', "outside its range"),
        ('So: {"reason": "It teaches."}', "has no 'score'"),
        ('{"reason": "It teaches.", "score": 3, "more": 1} Done.', "was not asked for"),
        ("{'reason': 'It teaches.', 'score': 3}", "not JSON"),
        ("Score: 3\nScore: 4\nReason: It teaches.", "not JSON"),
        ("Score: three\nReason: It teaches.", "not JSON"),
        ("Score: 3.4.5\nReason: It teaches.", "not JSON"),
        ("Score: 9\nReason: It teaches.", "not JSON"),
        ("Score: 3", "not JSON"),
        ("It teaches. I would give it 3.", "not JSON"),
        (shape(GRADE), "not JSON"),
    ],
)
def test_what_could_mean_anything_else_is_not_read(text: str, fault: str) -> None:
    value, told = read(text, GRADE)
    assert value is None
    assert fault in told


def test_a_cut_answer_is_read_where_its_value_was_whole_before() -> None:
    assert read(f"{json.dumps(WHOLE)}\nI gave it three points beca", GRADE, cut=True)[0] == WHOLE
    assert read(json.dumps(WHOLE), GRADE, cut=True)[0] is None
    assert read("Reason: It teaches.\nScore: 3", GRADE, cut=True)[0] is None


@given(some.text(alphabet='{}[]":, score=reason3\\n', max_size=120), some.booleans())
def test_whatever_is_read_fits(text: str, cut: bool) -> None:
    value, fault = read(text, GRADE, cut=cut)
    assert (value is None) or (not fault and not complaint(value, GRADE))


@pytest.mark.parametrize(
    "text", ["{" * 200_000, '{"a":' * 50_000, '{"a": 1} ' * 50_000, "score:" * 50_000, "score: " + "9" * 99_999]
)
def test_hostile_texts_take_no_time(text: str) -> None:
    began = time.process_time()
    read(text, GRADE)
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (GRADE, '{"reason": <text: why>, "score": <whole number from 0 to 5>}'),
        ({"type": "array", "items": {"enum": ["a", 1]}}, '[<one of "a", 1>, ...]'),
        ({"anyOf": [{"const": "x"}, {"type": ["null", "number"]}]}, '"x" or <null or number>'),
    ],
)
def test_the_form_in_words(schema: Any, words: str) -> None:
    assert shape(schema) == words
