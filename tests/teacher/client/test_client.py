"""Each way of failing, by itself, against a real server."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.teacher.client.server import Act, Call, Server, double, status

import hornbook
from hornbook.errors import UserError
from hornbook.progress import Progress, Task
from hornbook.teacher.client.budget import BudgetError
from hornbook.teacher.client.client import Client
from hornbook.teacher.client.messages import Request
from hornbook.teacher.client.settings import ClientSettings, Endpoint
from hornbook.teacher.interface import Message

GOOD = Act()
Make = Callable[..., Client]
Ask = Callable[..., Request]


def first(act: Act, times: int = 1) -> Callable[[Call], Act]:
    """Meet `act` the first `times` times that a text is asked, then a good answer."""
    return lambda call: act if call.times < times else GOOD


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_answers_come_in_the_order_of_the_requests(make_client: Make, ask_double: Ask) -> None:
    with (
        Server(lambda call: Act(seconds=0.05 if int(call.text.split()[1]) % 7 == 0 else 0)) as server,
        make_client(server.url, window=32) as client,
    ):
        answers = list(client.ask(ask_double(n) for n in range(100)))
    assert [answer.value["double"] for answer in answers] == [2 * n for n in range(100)]
    assert [answer.request.about for answer in answers] == list(range(100))
    assert not any(answer.cached for answer in answers)
    assert answers[0].usage.prompt == 20 and answers[0].usage.answer == 10
    assert client.figures.sent == 100 and client.figures.tokens_in == 2000


def test_answers_as_they_come(make_client: Make, ask_double: Ask) -> None:
    with (
        Server(lambda call: Act(seconds=2 if call.text == "double 0" else 0)) as server,
        make_client(server.url) as client,
    ):
        answers = [answer.request.about for answer in client.ask((ask_double(n) for n in range(30)), ordered=False)]
    assert sorted(answers) == list(range(30)) and answers[0] != 0


def test_requests_are_drawn_as_needed(make_client: Make, ask_double: Ask) -> None:
    drawn = 0

    def endless() -> Any:
        nonlocal drawn
        while True:
            drawn += 1
            yield ask_double(drawn)

    for ordered in (True, False):
        drawn = 0
        with Server(lambda call: GOOD) as server, make_client(server.url, window=10) as client:
            answers = client.ask(endless(), ordered=ordered)
            for seen in range(1, 51):
                next(answers)
                assert drawn <= seen + 10
            answers.close()


def test_a_second_run_pays_for_nothing_and_needs_neither_endpoint_nor_key(
    make_client: Make, make_settings: Callable[..., ClientSettings], ask_double: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(lambda call: GOOD) as server, make_client(server.url) as client:
        before = list(client.ask(ask_double(n) for n in range(20)))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    elsewhere = Endpoint(base_url="https://nobody.invalid/v1", model="other-name", known_as="teacher")
    settings = make_settings(server.url).model_copy(update={"endpoints": (elsewhere,)})
    for ordered in (True, False):
        with Client(settings) as client:
            after = list(client.ask((ask_double(n) for n in range(20)), ordered=ordered))
        assert [(one.value, one.usage) for one in after] == [(one.value, one.usage) for one in before]
        assert all(answer.cached for answer in after)
        assert client.figures.sent == 0 and client.figures.cached == 20


def test_identical_requests_in_flight_are_one(make_client: Make, ask_double: Ask) -> None:
    with Server(lambda call: Act(seconds=0.1)) as server, make_client(server.url) as client:
        answers = list(client.ask(ask_double(n % 3, about=n) for n in range(30)))
        assert sum(server.paid.values()) == 3
    assert [answer.value["double"] for answer in answers] == [2 * (n % 3) for n in range(30)]
    assert [answer.request.about for answer in answers] == list(range(30))
    assert sum(not answer.cached for answer in answers) == 3
    assert client.figures.shared + client.figures.cached == 27


def test_asking_while_answers_are_read_and_from_two_threads(make_client: Make, ask_double: Ask) -> None:
    with Server(lambda call: Act(seconds=0.01)) as server, make_client(server.url) as client:
        for answer in client.ask(ask_double(n) for n in range(5)):
            again = list(client.ask([ask_double(answer.value["double"])]))
            assert again[0].value == {"double": 4 * answer.request.about}
        found: dict[int, list[Any]] = {}

        def work(name: int) -> None:
            found[name] = [one.value["double"] for one in client.ask(ask_double(n) for n in range(100, 140))]

        threads = [threading.Thread(target=work, args=(name,)) for name in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert found[0] == found[1] == [2 * n for n in range(100, 140)]
        assert max(server.paid.values()) == 1


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (status(429), "http 429"),
        (status(500), "http 500"),
        (status(503), "http 503"),
        (status(502, Retry_After="0"), "http 502"),
        (Act("status", status=200, content={"error": {"message": "upstream", "code": 502}}), "http 502"),
        (Act("drop"), "cut"),
        (Act("cut"), "cut"),
        (Act("hang"), "timeout"),
        (Act("drip"), "timeout"),
        (Act(content=b"{"), "damaged"),
        (Act(content=b'{"choices": []}'), "damaged"),
        (Act(content=b'{"choices": [{"message": {"content": "\\ud800"}}]}'), "damaged"),
        (Act(content='{"double": "six"}'), "invalid"),
        (Act(content="{'double': 6}"), "invalid"),
        (Act(content='{"double": 6, "double": 7}'), "invalid"),
        (Act(content={"finish_reason": "length", "message": {"content": '{"double": 6}'}}), "invalid"),
        (Act(content=""), "empty"),
    ],
)
def test_faults_that_pass(make_client: Make, ask_double: Ask, act: Act, reason: str) -> None:
    with (
        Server(lambda call: act if call.number < 2 else GOOD) as server,
        make_client(server.url, timeout=0.4 if reason == "timeout" else 10) as client,
    ):
        answers = list(client.ask([ask_double(3)]))
    assert answers[0].value == {"double": 6} and answers[0].failure is None
    repeated = len(server.calls) - 1 if reason == "timeout" else 2  # on a busy machine a good answer can be late too
    assert repeated >= 2 and client.figures.retried == {reason: repeated}


@pytest.mark.parametrize(
    ("act", "failure", "calls"),
    [
        (status(400, "too long"), "http 400", 1),
        (status(413), "http 413", 1),
        (status(422), "http 422", 1),
        (Act("status", status=400, content={"error": {"code": "content_filter", "message": "no"}}), "refused", 1),
        (Act(content={"message": {"content": None, "refusal": "I would rather not."}}), "refused", 1),
        (Act(content={"finish_reason": "content_filter"}), "refused", 1),
        (Act(content='{"triple": 9}'), "invalid", 3),
        (Act(content=""), "empty", 3),
        (status(500), "http 500", 5),
        (Act("cut"), "cut", 5),
    ],
)
def test_faults_that_stay_are_counted_and_the_others_go_on(
    make_client: Make, ask_double: Ask, act: Act, failure: str, calls: int
) -> None:
    with Server(lambda call: act if call.text.startswith("double 3") else GOOD) as server:
        with make_client(server.url, attempts=3, retries=4) as client:
            answers = list(client.ask(ask_double(n) for n in range(10)))
        asked = sum(call.text.startswith("double 3") for call in server.calls)
    assert [answer.ok for answer in answers] == [n != 3 for n in range(10)]
    assert answers[3].failure == failure and answers[3].value is None and answers[3].detail
    assert client.figures.failed == {failure: 1} and client.figures.answered == 9
    assert asked == calls


def test_answers_that_never_fit_are_not_paid_for_again(make_client: Make, ask_double: Ask) -> None:
    with Server(lambda call: Act(content='{"triple": 9}')) as server:
        with make_client(server.url, attempts=2) as client:
            assert next(client.ask([ask_double(3)])).failure == "invalid"
        with make_client(server.url, attempts=2) as client:
            answer = next(client.ask([ask_double(3)]))
            assert answer.failure == "invalid" and answer.cached and answer.usage.total == 60
        assert sum(server.paid.values()) == 2
        with make_client(server.url, attempts=3) as client:  # one more is allowed: one more is asked for
            assert next(client.ask([ask_double(3)])).failure == "invalid"
        assert sum(server.paid.values()) == 3


def test_each_attempt_differs_in_seed_and_words(make_client: Make, ask_double: Ask) -> None:
    with (
        Server(lambda call: Act(content='{"triple": 9}') if call.number < 2 else GOOD) as server,
        make_client(server.url) as client,
    ):
        assert next(client.ask([ask_double(3, seed=5, temperature=0.0)])).value == {"double": 6}
    bodies = [call.body for call in server.calls]
    assert bodies[0]["seed"] == 5 and len({body["seed"] for body in bodies}) == 3
    assert bodies[0]["messages"] == [{"role": "user", "content": "double 3"}]
    asked, own, fault = bodies[1]["messages"]
    assert asked == bodies[0]["messages"][0]
    assert own == {"role": "assistant", "content": '{"triple": 9}'}  # it sees its own answer, and what is wrong with it
    assert "has no 'double'" in fault["content"]
    assert '"double": <whole number>' in fault["content"]
    assert len({body["messages"][-1]["content"] for body in bodies}) == 3
    # Where that did not help it is not done again: the form is shown by an example, and chance gets more room.
    assert [message["role"] for message in bodies[2]["messages"]] == ["user", "assistant", "user"]
    assert bodies[2]["messages"][1]["content"] == '{"double": 0}'
    assert bodies[2]["messages"][2]["content"].startswith("double 3\n")
    assert [body["temperature"] for body in bodies] == [0.0, 0.0, 0.3]


def test_retry_after_is_honoured(make_client: Make, ask_double: Ask) -> None:
    act = lambda call: status(429, Retry_After="0.6") if call.number == 0 else GOOD  # noqa: E731
    with Server(act) as server, make_client(server.url, start=1) as client:
        assert all(answer.ok for answer in client.ask(ask_double(n) for n in range(3)))
        assert server.when[1] - server.when[0] >= 0.59


class Heard(Progress):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


LLAMA_CPP_PYTHON = (  # what the server of 0.3.36 says, as a 500
    "1 validation error:\n  {'type': 'literal_error', 'loc': ('body', 'response_format', 'type'), "
    "'msg': \"Input should be 'text' or 'json_object'\", 'input': 'json_schema', "
    "'ctx': {'expected': \"'text' or 'json_object'\"}}\n\n"
    '  File "llama_cpp/server/app.py", line 376, in create_chat_completion\n    POST /v1/chat/completions'
)


@pytest.mark.parametrize("code", [400, 422, 429, 500, 503])
def test_a_refusal_is_recognised_whatever_its_status(make_client: Make, ask_double: Ask, code: int) -> None:
    def act(call: Call) -> Act:
        return status(code, LLAMA_CPP_PYTHON) if call.body["response_format"]["type"] == "json_schema" else GOOD

    heard = Heard()
    with Server(act) as server, make_client(server.url, start=1, progress=heard) as client:
        assert all(answer.ok for answer in client.ask(ask_double(n) for n in range(5)))
        assert server.statuses == {str(code): 1, "answer": 5}  # one is refused, and remembered
        form = server.calls[-1].body["response_format"]
        assert form["type"] == "json_object"
        assert form["schema"]["required"] == ["double"]
        assert '"required": ["double"]' in server.calls[-1].text
    assert client.figures.retried == {"unsupported": 1}
    assert len(heard.said) == 1
    assert "json_object" in heard.said[0]


def test_the_ladder_ends_with_words_alone(make_client: Make, ask_double: Ask) -> None:
    """A schema, an object with the schema beside it, an object, words; the last one's answers need not be JSON alone."""

    def act(call: Call) -> Act:
        form = call.body.get("response_format")
        if form is None:
            return Act(content=f"Surely!\n```json\n{double(call)}\n```\nAsk me more.")
        if form["type"] == "json_schema":
            return status(500, LLAMA_CPP_PYTHON)
        extra = "body.response_format.schema: Extra inputs are not permitted"
        return status(422, extra) if "schema" in form else status(500, "json_object: failed to compile the grammar")

    with Server(act) as server, make_client(server.url, start=1) as client:
        answers = list(client.ask(ask_double(n) for n in range(5)))
    assert [answer.value for answer in answers] == [{"double": 2 * n} for n in range(5)]
    assert server.statuses == {"500": 2, "422": 1, "answer": 5}


def test_errors_without_a_word_to_a_schema_are_found_to_be_about_it(make_client: Make, ask_double: Ask) -> None:
    heard = Heard()
    with (
        Server(lambda call: status(500, "Internal Server Error") if "response_format" in call.body else GOOD) as server,
        make_client(server.url, progress=heard) as client,
    ):
        assert all(answer.ok for answer in client.ask(ask_double(n) for n in range(20)))
        assert server.statuses["500"] <= 8
    assert any("Internal Server Error (HTTP 500" in text for text in heard.said)  # at once, in its own words
    assert any("it answers errors to response_format" in text for text in heard.said)


def test_the_first_few_decide_whether_to_go_on(make_client: Make, ask_double: Ask) -> None:
    heard = Heard()
    broken = status(500, "CUDA error: \x1b[31m out of memory")
    with Server(lambda call: broken) as server, make_client(server.url, progress=heard) as client:
        with pytest.raises(UserError, match=r"brought no answer \(last: CUDA error: .* out of memory \(HTTP 500"):
            list(client.ask(ask_double(n) for n in range(500)))
        assert sum(server.asked.values()) <= 16
    assert any("no answer yet: CUDA error: \\x1b" in text for text in heard.said)  # shown, not sent to the terminal
    assert len(heard.said) <= 3


def test_what_ended_it_is_told_though_it_ended_while_requests_were_drawn(make_client: Make, ask_double: Ask) -> None:
    heard = Heard()

    def drawn_slowly(server: Server) -> Iterator[Request]:
        yield from (ask_double(n) for n in range(8))
        before = 0
        while not before or before != sum(server.asked.values()):
            before = sum(server.asked.values())
            time.sleep(0.5)
        yield ask_double(8)

    with (
        Server(lambda call: status(500, "out of memory")) as server,
        make_client(server.url, start=1, progress=heard) as client,
        pytest.raises(UserError, match="out of memory"),
    ):
        list(client.ask(drawn_slowly(server)))
    assert any("no answer yet: out of memory" in text for text in heard.said)


def test_an_answer_that_is_too_long_to_be_shown_again_is_left_out(make_client: Make, ask_double: Ask) -> None:
    def act(call: Call) -> Act:
        if call.text.count("That answer, number"):
            return status(400, "This model's maximum context length is 20 tokens.")
        return GOOD if len(call.body["messages"]) > 1 or "An earlier" in call.text else Act(content="{}")

    with Server(act) as server, make_client(server.url, start=1, most=1) as client:
        assert all(answer.ok for answer in client.ask(ask_double(n) for n in range(5)))
        assert server.statuses["400"] == 1


def test_a_server_that_takes_no_schema_is_asked_in_words(make_client: Make, ask_double: Ask) -> None:
    heard = Heard()

    def act(call: Call) -> Act:
        return status(400, "response_format is not supported") if "response_format" in call.body else GOOD

    with Server(act) as server, make_client(server.url, start=1, progress=heard) as client:
        assert all(answer.ok for answer in client.ask(ask_double(n) for n in range(5)))
        assert server.statuses == {"400": 1, "answer": 5}
        assert '"required": ["double"]' in server.calls[-1].text
    assert len(heard.said) == 1 and "words" in heard.said[0]


def test_a_server_that_ignores_the_schema_is_asked_in_words(make_client: Make, ask_double: Ask) -> None:
    act = lambda call: GOOD if "nothing else" in call.text else Act(content="Why, that is easy.")  # noqa: E731
    with Server(act) as server, make_client(server.url, start=1, most=1) as client:
        assert all(answer.ok for answer in client.ask(ask_double(n) for n in range(20)))
        assert server.statuses["answer"] == 23


def test_newer_models_want_another_name_for_the_length(make_client: Make, ask_double: Ask) -> None:
    words = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    with Server(lambda call: status(400, words) if "max_tokens" in call.body else GOOD) as server:
        with make_client(server.url) as client:
            assert all(answer.ok for answer in client.ask(ask_double(n) for n in range(5)))
        assert server.calls[-1].body["max_completion_tokens"] == 100


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (status(401, "bad key"), ["wants a key", "bad key"]),
        (status(403, "not for you"), ["wants a key", "not for you"]),
        (status(404, "no such model"), ["has no model 'teacher'", "did you mean 'teacher-8b'?"]),
        (Act("status", status=429, content={"error": {"code": "insufficient_quota"}}), ["no credit left"]),
        (status(302, Location="http://elsewhere/"), ["http://elsewhere/"]),
    ],
)
def test_what_is_wrong_with_everything_ends_the_run_at_once(
    make_client: Make, ask_double: Ask, act: Act, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with Server(lambda call: act, models=("teacher-8b",)) as server, make_client(server.url, start=1) as client:
        with pytest.raises(UserError) as error:
            list(client.ask(ask_double(n) for n in range(10)))
        assert sum(server.asked.values()) == 1
    for word in words:
        assert word in str(error.value)
    assert "\n" not in str(error.value)


PAGE = b"<!DOCTYPE html><html><title>Welcome</title></html>"


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (Act(content=PAGE), ["no chat completion but a web page", "<title>Welcome</title>"]),
        (Act(content=b'{"error": "Unexpected endpoint"}'), ["Unexpected endpoint"]),
        (Act(content=b'[{"id": 1}]'), ["something else", '[{"id": 1}]']),
        (Act(content=b""), ["nothing at all"]),
        (status(405), ["takes no requests", "HTTP 405"]),
        (status(501), ["takes no requests", "HTTP 501"]),
    ],
)
@pytest.mark.parametrize(("path", "advice"), [("/v1", "Check the host and the port"), ("", "ends in /v1")])
def test_somebody_who_is_no_teacher_is_told_of_at_once(
    make_client: Make, ask_double: Ask, act: Act, words: list[str], path: str, advice: str
) -> None:
    with Server(lambda call: act) as server, make_client(server.url.removesuffix("/v1") + path, start=1) as client:
        with pytest.raises(UserError) as error:
            list(client.ask(ask_double(n) for n in range(10)))
        assert sum(server.asked.values()) == 1
    for word in [f"{server.url.removesuffix('/v1')}{path}/chat/completions", advice, *words]:
        assert word in str(error.value)
    assert "\n" not in str(error.value)


def test_a_page_in_the_middle_of_a_run_is_a_fault_that_passes(make_client: Make, ask_double: Ask) -> None:
    act = lambda call: Act(content=PAGE) if call.number in (3, 4) else GOOD  # noqa: E731
    with Server(act) as server, make_client(server.url, start=1) as client:
        assert all(answer.ok for answer in client.ask(ask_double(n) for n in range(10)))
    assert client.figures.retried == {"damaged": 2}


def test_what_is_sent_again_is_shown_while_nothing_was_answered(make_client: Make, ask_double: Ask) -> None:
    notes: list[str] = []

    class Seen(Task):
        def note(self, text: str) -> None:
            notes.append(text)

    class Watched(Progress):
        @contextmanager
        def task(self, label: str, total: float | None = None, done: float = 0) -> Iterator[Task]:
            yield Seen()

    act = lambda call: status(500) if call.number < 3 else GOOD  # noqa: E731
    with Server(act) as server, make_client(server.url, progress=Watched(), backoff=0.3) as client:
        assert next(client.ask([ask_double(3)])).ok
    assert any("no answer yet" in note and "sent again (http 500)" in note for note in notes)
    assert not any("from the cache" in note for note in notes)


def test_a_key_that_is_not_accepted_is_named_and_never_shown(
    make_client: Make, ask_double: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with Server(lambda call: status(401, "bad key")) as server, make_client(server.url) as client:
        with pytest.raises(UserError, match="does not accept the key in OPENAI_API_KEY") as error:
            list(client.ask([ask_double(1)]))
        assert server.calls[0].headers["authorization"] == "Bearer sk-secret"
    assert "sk-secret" not in str(error.value)


def test_azure_gets_its_header_and_version(make_client: Make, ask_double: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "azure-secret")
    with Server(lambda call: GOOD) as server:
        url = server.url.removesuffix("/v1") + "/openai/deployments/mine"
        with make_client(url, endpoint={"azure": True, "api_version": "2024-10-21"}) as client:
            assert next(client.ask([ask_double(1)])).ok
        call = server.calls[0]
    assert call.path == "/openai/deployments/mine/chat/completions?api-version=2024-10-21"
    assert call.headers["api-key"] == "azure-secret" and "authorization" not in call.headers


def test_nobody_there_is_said_at_once(make_client: Make, ask_double: Ask) -> None:
    began = time.monotonic()
    with make_client(f"http://127.0.0.1:{free_port()}/v1") as client:
        with pytest.raises(UserError, match=r"cannot be reached.*is it running"):
            list(client.ask(ask_double(n) for n in range(10)))
        with pytest.raises(UserError, match="cannot be reached"):
            list(client.ask([ask_double(77)]))
    assert time.monotonic() - began < 3


def test_a_missing_key_is_said_before_anything_is_sent(
    make_client: Make, ask_double: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with make_client("https://api.invalid/v1") as client:
        for _ in range(2):
            with pytest.raises(UserError, match="OPENAI_API_KEY is not set"):
                list(client.ask([ask_double(1)]))


def test_requests_that_are_all_turned_down_end_the_run(make_client: Make, ask_double: Ask) -> None:
    with Server(lambda call: status(400, "no thanks")) as server, make_client(server.url) as client:
        with pytest.raises(UserError, match="the last 20 requests were turned down: no thanks"):
            list(client.ask(ask_double(n) for n in range(500)))
        assert sum(server.asked.values()) < 60


def test_silence_ends_the_run(make_client: Make, ask_double: Ask) -> None:
    with Server(lambda call: GOOD if call.number < 5 else status(503)) as server:
        with make_client(server.url, patience=1.0) as client:
            answers = []
            with pytest.raises(UserError, match="no endpoint gave a good answer for 1 s"):
                answers.extend(client.ask(ask_double(n) for n in range(50)))
        with Server(lambda call: GOOD) as healthy, make_client(healthy.url) as client:
            assert all(answer.ok for answer in client.ask(ask_double(n) for n in range(50)))
            assert client.figures.cached == 5
    assert sum((server.paid + healthy.paid).values()) == 50


def test_a_wait_longer_than_patience_ends_the_run(make_client: Make, ask_double: Ask) -> None:
    with (
        Server(lambda call: status(429, "come back tomorrow", Retry_After="7200")) as server,
        make_client(server.url) as client,
        pytest.raises(UserError, match=r"7,[12]\d\d s or more"),
    ):
        list(client.ask([ask_double(1)]))


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize(
    ("budget", "paid", "words"),
    [
        ({"requests": 12}, 12, "12 requests"),
        ({"tokens": 480}, 13, "480 tokens"),  # 30 each; 102 are set aside for a request before it is sent
        ({"money": 0.0048}, 13, "0.0048 in money"),
        ({"requests": 0}, 0, "0 requests"),
    ],
)
def test_budgets_end_a_run_and_the_next_one_goes_on(
    make_client: Make, ask_double: Ask, budget: dict[str, Any], paid: int, words: str, ordered: bool
) -> None:
    endpoint = {"price_in": 10.0, "price_out": 10.0}
    with Server(lambda call: Act(seconds=0.01)) as server:
        with make_client(server.url, endpoint=endpoint, budget=budget) as client:
            answers = []
            with pytest.raises(BudgetError, match=f"the budget of {words} is reached.*goes on from there"):
                answers.extend(client.ask((ask_double(n) for n in range(40)), ordered=ordered))
            figures = client.figures
        assert sum(server.paid.values()) == paid == figures.replies
        assert figures.tokens_in + figures.tokens_out == 30 * paid
        assert figures.money == pytest.approx(0.0003 * paid)
        if not ordered:
            assert figures.answered == paid
        with make_client(server.url) as client:
            assert all(answer.ok for answer in client.ask(ask_double(n) for n in range(40)))
            assert client.figures.cached == paid
        assert sum(server.paid.values()) == 40


def test_leaving_early_stops_what_is_on_its_way(make_client: Make, ask_double: Ask) -> None:
    with (
        Server(lambda call: GOOD if call.text == "double 0" else Act(seconds=0.3)) as server,
        make_client(server.url, start=4) as client,
    ):
        answers = client.ask(ask_double(n) for n in range(100))
        next(answers)
        answers.close()
        time.sleep(0.5)
        asked = sum(server.asked.values())
        assert asked < 30
        assert [one.value for one in client.ask([ask_double(0), ask_double(50)])] == [
            {"double": 0},
            {"double": 100},
        ]


CHILD = """
import sys
from hornbook.progress import Progress
from hornbook.teacher.client.client import Client
from hornbook.teacher.client.messages import Request
from hornbook.teacher.client.settings import ClientSettings
from hornbook.teacher.interface import Message

class Printed(Progress):
    def say(self, text):
        print(text, flush=True)

try:
    with Client(ClientSettings.model_validate_json(sys.argv[1]), Printed()) as client:
        for answer in client.ask(Request((Message("user", f"double {n}"),)) for n in range(100)):
            print(answer.text, flush=True)
except KeyboardInterrupt:
    print("stopped", flush=True)
"""
FIRST = ("double 0", "double 1", "double 2")  # answers come in the order of the requests, calls in any
LONG = 60.0  # seconds that an answer may take below: nothing that is over much sooner can have waited for one


@contextmanager
def asking(settings: ClientSettings) -> Iterator[subprocess.Popen[str]]:
    """A process that asks and prints."""
    environment = {**os.environ, "PYTHONPATH": str(Path(hornbook.__file__).parents[1])}
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, settings.model_dump_json()],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as child:
        try:
            yield child
        finally:
            child.kill()


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that comes soon, however busy the machine."""
    end = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_control_c_waits_for_the_answers_under_way_and_keeps_them(
    make_settings: Callable[..., ClientSettings], make_client: Make
) -> None:
    with Server(lambda call: GOOD if call.text in FIRST else Act(seconds=1.0)) as server:
        settings = make_settings(server.url, timeout=LONG, start=4)
        with asking(settings) as child:
            assert child.stdout is not None and child.stderr is not None
            for _ in range(3):
                child.stdout.readline()
            until(lambda: server.at_once > 1)
            child.send_signal(signal.SIGINT)
            lines, errors = child.stdout.read().splitlines(), child.stderr.read()
            assert child.wait(LONG) == 0
        assert lines[-1] == "stopped" and errors == ""
        assert any("answers under way" in line for line in lines)
        assert len(server.calls) < 100
        assert server.paid.total() == len(server.calls)  # none was broken off,
        with Client(settings) as client:
            assert all(
                answer.ok for answer in client.ask(Request((Message("user", f"double {n}"),)) for n in range(100))
            )
            assert client.figures.sent == 100 - client.figures.cached
        assert max(server.paid.values()) == 1  # and none was asked for again


def test_a_second_control_c_does_not_wait(make_settings: Callable[..., ClientSettings]) -> None:
    with (
        Server(lambda call: GOOD if call.text in FIRST else Act("hang")) as server,
        asking(make_settings(server.url, timeout=LONG)) as child,
    ):
        assert child.stdout is not None and child.stderr is not None
        for _ in range(3):
            child.stdout.readline()
        until(lambda: server.at_once > 0)
        child.send_signal(signal.SIGINT)
        while "answers under way" not in (line := child.stdout.readline()):
            assert line
        assert child.poll() is None
        began = time.monotonic()
        child.send_signal(signal.SIGINT)
        child.wait(LONG)
        seconds = time.monotonic() - began
        lines, errors = child.stdout.read().splitlines(), child.stderr.read()
    assert (lines, errors, child.returncode) == (["stopped"], "", 0)
    assert seconds < LONG / 4


def test_importing_the_client_does_not_import_httpx() -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(hornbook.__file__).parents[1])}
    source = "import sys, hornbook.teacher.client.client; print('httpx' in sys.modules, 'asyncio' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.split()[0] == "False"
