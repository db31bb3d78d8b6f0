from __future__ import annotations

import json
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from hornbook.errors import UserError
from hornbook.teacher.client.protocol import (
    BrokenError,
    BusyError,
    DeclinedError,
    error_of,
    trouble_of,
    wait_asked_for,
)
from hornbook.teacher.client.settings import Endpoint

ENDPOINT = Endpoint(base_url="http://x/v1", model="m")


@pytest.mark.parametrize(
    ("status", "body", "before", "after"),
    [
        (400, "", DeclinedError, DeclinedError),
        (401, "", UserError, UserError),
        (402, "", UserError, UserError),
        (403, "", UserError, DeclinedError),
        (404, "", DeclinedError, DeclinedError),
        (408, "", BrokenError, BrokenError),
        (409, "", BrokenError, BrokenError),
        (413, "", DeclinedError, DeclinedError),
        (429, "", BusyError, BusyError),
        (429, {"error": {"type": "insufficient_quota"}}, UserError, UserError),
        (400, {"error": {"code": "model_decommissioned"}}, UserError, DeclinedError),
        (500, "", BrokenError, BrokenError),
        (501, "", DeclinedError, DeclinedError),
        (503, "", BusyError, BusyError),
        (504, "", BrokenError, BrokenError),
        (529, "", BusyError, BusyError),
        (301, "", UserError, UserError),
    ],
)
def test_what_a_status_means(status: int, body: Any, before: type, after: type) -> None:
    content = json.dumps(body).encode()
    assert type(trouble_of(status, {}, content, ENDPOINT, answered=False)) is before
    assert type(trouble_of(status, {}, content, ENDPOINT, answered=True)) is after


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ({"error": {"message": "too\nlong", "code": "context", "type": "invalid"}}, "context", "too long"),
        ({"error": {"message": "no", "code": 400, "type": "invalid"}}, "invalid", "no"),
        ({"error": "no such thing"}, "", "no such thing"),
        ({"object": "error", "message": "no", "code": 404}, "", "no"),
        ({"detail": [{"loc": ["body"]}]}, "", '[{"loc": ["body"]}]'),
        ("x" * 400, "", "x" * 300 + "…"),
    ],
)
def test_the_words_of_an_error(body: Any, code: str, words: str) -> None:
    assert error_of(json.dumps(body).encode()) == (code, words)


@given(some.binary(max_size=50))
def test_any_body_has_words(body: bytes) -> None:
    code, words = error_of(body)
    assert "\n" not in words and isinstance(code, str)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": " 0.5 "}, 0.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT", "date": "Wed, 21 Oct 2015 07:27:30 GMT"}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT", "date": "Wed, 21 Oct 2015 07:29:00 GMT"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 10.0),
    ],
)
def test_waits(headers: dict[str, str], seconds: float | None) -> None:
    assert wait_asked_for(headers, lambda: datetime(2015, 10, 21, 7, 27, 50, tzinfo=UTC)) == seconds


@given(some.text(max_size=40))
def test_any_retry_after_is_read_or_ignored(text: str) -> None:
    found = wait_asked_for({"retry-after": text, "date": text})
    assert found is None or found >= 0


@given(some.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2090, 1, 1)), some.integers(0, 10**6))
def test_dates_are_read_back(when: datetime, seconds: int) -> None:
    now = when.replace(microsecond=0, tzinfo=UTC)
    then = datetime.fromtimestamp(now.timestamp() + seconds, UTC)
    headers = {"date": format_datetime(now, usegmt=True), "retry-after": format_datetime(then, usegmt=True)}
    assert wait_asked_for(headers) == seconds
