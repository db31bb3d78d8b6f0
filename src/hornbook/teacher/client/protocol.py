"""What the statuses and the errors of servers mean that speak OpenAI's chat completions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from hornbook.errors import UserError
from hornbook.teacher.client.settings import Endpoint

# Statuses, and codes of errors in a response's body.
BUSY = (425, 429, 503, 529)
AGAIN = (408, 409)
NO_MODEL = ("model_not_found", "invalid_model", "model_decommissioned", "DeploymentNotFound")
NO_CREDIT = ("insufficient_quota", "billing_hard_limit_reached", "insufficient_credits")
LONGEST = 300  # characters of an endpoint's own words that are shown


class ExchangeError(Exception):
    """A request that brought no answer. `reason` is a word to count by, `detail` a sentence.

    `wait` is how many seconds the endpoint asked to be left alone for.
    """

    def __init__(self, reason: str, detail: str, wait: float | None = None) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail, self.wait = reason, detail, wait


class BusyError(ExchangeError):
    """The endpoint has too much to do (429, 503): no fault of the request, which waits and is sent again."""


class UnreachableError(ExchangeError):
    """Nobody listens, or the name is unknown: no fault of the request either."""


class BrokenError(ExchangeError):
    """The exchange failed: a server error, a timeout, a dropped connection, a cut body. Sent again a few times."""


class DeclinedError(ExchangeError):
    """The endpoint will not answer this request (most of 4xx): asking again would bring the same."""


class UnsupportedError(ExchangeError):
    """The endpoint does not know a part of the protocol that can be done without; from here on it is left out."""


def trouble_of(
    status: int, headers: Mapping[str, str], body: bytes, endpoint: Endpoint, *, answered: bool
) -> ExchangeError | UserError:
    """The error that a response other than 200 stands for. `answered`: the endpoint has answered requests before.

    A UserError ends the run: it would be the same for every request. (404 before any answer is left to `diagnosis`.)
    """
    code, words = error_of(body)
    detail = f"{words or 'no reason given'} (HTTP {status} from {endpoint.base_url})"
    message = _same_for_all(status, headers, endpoint, code, words, answered)
    if message:
        return UserError(message)
    if status in BUSY:
        return BusyError(f"http {status}", detail, wait_asked_for(headers))
    if status in AGAIN or (status >= 500 and status != 501):
        return BrokenError(f"http {status}", detail, wait_asked_for(headers))
    if code == "content_filter" or "content management policy" in words:
        return DeclinedError("refused", words)
    return DeclinedError(f"http {status}", detail)


def _same_for_all(
    status: int, headers: Mapping[str, str], endpoint: Endpoint, code: str, words: str, answered: bool
) -> str:
    """What a user has to put right before any request can be answered; empty where there is nothing of the kind."""
    if status == 401 or (status == 403 and not answered):
        return _key_message(status, endpoint, words)
    if status == 402 or code in NO_CREDIT:
        return f"{endpoint.base_url} has no credit left: {words or status}; run again when it has"
    if 300 <= status < 400:
        to = headers.get("location", "somewhere else")
        return f"{endpoint.base_url} sends its askers on to {to}; name the address where it answers"
    if code in NO_MODEL and not answered and status != 404:
        return f"{endpoint.base_url} has no model {endpoint.model!r}: {words}"
    return ""


def error_of(body: bytes, longest: int = LONGEST) -> tuple[str, str]:
    """The code and the words of an error, in the shapes in use; the body's beginning where it has none."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return "", _short(body.decode("utf-8", "replace"), longest)
    found = data.get("error", data) if isinstance(data, dict) else data
    if not isinstance(found, dict):
        return "", _short(str(found), longest)
    code, words = found.get("code"), found.get("message", found.get("detail", ""))
    kind = found.get("type")
    known = code if isinstance(code, str) else kind if isinstance(kind, str) else ""
    return known, _short(words if isinstance(words, str) else _of_list(words) or json.dumps(words), longest)


def _of_list(details: Any) -> str:
    """What FastAPI says of fields that it does not take: where and what, without the request, which it sends back."""
    if not isinstance(details, list) or not all(isinstance(one, dict) and "msg" in one for one in details):
        return ""
    places = [".".join(map(str, one["loc"])) if isinstance(one.get("loc"), list) else "" for one in details]
    return "; ".join(f"{place}: {one['msg']}" for place, one in zip(places, details, strict=True))


def _short(words: str, longest: int) -> str:
    line = " ".join(words.split())
    return line if len(line) <= longest else line[:longest] + "…"


def _key_message(status: int, endpoint: Endpoint, words: str) -> str:
    said = f" ({words})" if words else ""
    if endpoint.key() is None:
        return f"{endpoint.base_url} wants a key{said}; put it into a variable and name that with key=VARIABLE"
    return f"{endpoint.base_url} does not accept the key in {endpoint.variable}: HTTP {status}{said}"


def wait_asked_for(headers: Mapping[str, str], clock: Callable[[], datetime] | None = None) -> float | None:
    """Seconds in `Retry-After` (a number, or a date against the response's own `Date`), None where there is none.

    `retry-after-ms`, which some services add, is finer and goes first. Names of headers are lower case.
    """
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        text = headers.get(name, "").strip()
        try:
            seconds = float(text) / unit
        except ValueError:
            continue
        if 0 <= seconds < float("inf"):
            return seconds
    until = _date(headers.get("retry-after", ""))
    if until is None:
        return None
    now = _date(headers.get("date", "")) or (clock or _now)()
    return max(0.0, (until - now).total_seconds())


def _now() -> datetime:
    return datetime.now(UTC)


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
