from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from tests.teacher.client.server import Act, Server, status

from hornbook.teacher.client.client import Client
from hornbook.teacher.client.messages import Request
from hornbook.teacher.client.rate_limiter import RateLimiter, Ticket, pause_before


def simulate(limiter: RateLimiter, bears: int, rounds: int) -> tuple[list[int], int]:
    """Requests that all take one unit of time, at a server that turns away all above `bears`."""
    at_once, turned_away = [], 0
    for now in range(rounds):
        tickets = []
        while limiter.ready(now):
            tickets.append(limiter.begin())
        at_once.append(len(tickets))
        for place, ticket in enumerate(tickets):
            if place < bears:
                limiter.good(ticket)
            else:
                turned_away += 1
                limiter.strained(ticket, now, busy=True)
    return at_once, turned_away


@pytest.mark.parametrize("bears", [1, 2, 8, 50])
def test_the_limit_settles_just_below_what_is_borne(bears: int) -> None:
    limiter = RateLimiter(start=4, most=64, backoff=0.0, longest_pause=1.0)
    at_once, _ = simulate(limiter, bears, 100)
    at_once, turned_away = simulate(limiter, bears, 400)
    assert 0.85 * bears <= sum(at_once) / len(at_once) <= bears + 1
    assert turned_away <= 0.03 * sum(at_once) or bears < 3
    assert max(at_once) <= bears + 2


def test_the_limit_finds_out_that_more_is_borne_later() -> None:
    limiter = RateLimiter(start=4, most=64, backoff=0.0, longest_pause=1.0)
    simulate(limiter, 5, 200)
    at_once, _ = simulate(limiter, 40, 200)
    assert max(at_once) >= 30


def test_faults_by_chance_do_not_bring_the_limit_to_a_crawl() -> None:
    limiter = RateLimiter(start=4, most=64, backoff=0.0, longest_pause=1.0)
    at_once = []
    for now in range(300):
        tickets = []
        while limiter.ready(now):
            tickets.append(limiter.begin())
        at_once.append(len(tickets))
        for place, ticket in enumerate(tickets):
            if (now * 7 + place) % 20 == 0:
                limiter.strained(ticket, now, busy=False)
            else:
                limiter.good(ticket)
    assert sum(at_once[100:]) / 200 > 6


def test_one_burst_of_refusals_halves_once() -> None:
    limiter = RateLimiter(start=32, most=64, backoff=1.0, longest_pause=60.0)
    tickets = [limiter.begin() for _ in range(32)]
    for ticket in tickets:
        limiter.strained(ticket, 0.0, busy=True)
    assert limiter.limit == 16 and limiter.in_flight == 0 and limiter.strikes == 1
    assert limiter.ready(0.0)


def test_failures_in_a_row_rest_longer_and_longer() -> None:
    limiter = RateLimiter(start=1, most=64, backoff=1.0, longest_pause=10.0)
    pauses, now = [], 0.0
    for _ in range(7):
        limiter.strained(limiter.begin(), now, busy=False)
        pauses.append(max(0.0, limiter.paused_until - now))
        now = max(now, limiter.paused_until)
    assert pauses == [0, 2, 4, 8, 10, 10, 10]
    limiter.good(limiter.begin())
    assert limiter.strikes == 0


def test_the_wait_that_was_asked_for_is_kept_to_by_all() -> None:
    limiter = RateLimiter(start=4, most=64, backoff=1.0, longest_pause=10.0)
    first, second = limiter.begin(), limiter.begin()
    limiter.strained(first, 100.0, busy=True, wait=30.0)
    limiter.strained(second, 100.0, busy=True, wait=5.0)
    assert not limiter.ready(129.9) and limiter.ready(130.0)


@given(some.lists(some.tuples(some.sampled_from(["good", "busy", "broken", "done"]), some.booleans()), max_size=200))
def test_the_limit_never_leaves_its_bounds(events: list[tuple[str, bool]]) -> None:
    limiter = RateLimiter(start=4, most=9, backoff=0.1, longest_pause=1.0)
    tickets: list[Ticket] = []
    for now, (event, begin) in enumerate(events):
        while begin and limiter.ready(now):
            tickets.append(limiter.begin())
        if tickets:
            ticket = tickets.pop(0)
            if event == "good":
                limiter.good(ticket)
            elif event == "done":
                limiter.done()
            else:
                limiter.strained(ticket, now, busy=event == "busy")
        assert 1 <= limiter.limit <= 9 and limiter.in_flight == len(tickets) <= 9
        assert limiter.paused_until <= now + 1.0


def test_pauses_double_with_seeded_jitter() -> None:
    pauses = [pause_before(retry, 1.0, 60.0, 7, "key") for retry in range(1, 12)]
    assert all(0.5 * min(60, 2**n) <= pause <= min(60, 2**n) for n, pause in enumerate(pauses))
    assert pauses == [pause_before(retry, 1.0, 60.0, 7, "key") for retry in range(1, 12)]
    assert pauses[0] != pause_before(1, 1.0, 60.0, 7, "other")


def test_the_client_settles_near_what_a_server_bears(
    make_client: Callable[..., Client], ask_double: Callable[..., Request]
) -> None:
    with Server(lambda call: status(429) if call.at_once > 8 else Act(seconds=0.04)) as server:
        with make_client(server.url, start=2) as client:
            assert all(answer.ok for answer in client.ask(ask_double(n) for n in range(700)))
        late = [call.at_once for call in server.calls[200:-20]]
        assert 3 <= sum(late) / len(late) <= 9  # fewer than were sent, on a machine that has other work
        assert sum(at_once > 8 for at_once in late) <= 0.03 * len(late)
        assert server.statuses["429"] <= 0.15 * 700  # most of them in the doubling at the start


def test_endpoints_share_the_load_by_what_they_bear(
    make_client: Callable[..., Client], ask_double: Callable[..., Request]
) -> None:
    with (
        Server(lambda call: Act(seconds=0.02) if call.at_once <= 6 else status(429)) as quick,
        Server(lambda call: Act(seconds=0.2) if call.at_once <= 2 else status(429)) as slow,
    ):
        with make_client(quick.url, slow.url) as client:
            assert all(answer.ok for answer in client.ask(ask_double(n) for n in range(200)))
        assert sum(quick.paid.values()) + sum(slow.paid.values()) == 200
        assert sum(quick.paid.values()) > 3 * sum(slow.paid.values()) > 0


@pytest.mark.parametrize("death", ["never there", "dies", "hangs"])
def test_one_dead_endpoint_among_two_is_survived(
    make_client: Callable[..., Client], ask_double: Callable[..., Request], death: str
) -> None:
    from tests.teacher.client.test_client import free_port

    def act(call: Any) -> Act:
        if call.number < 10 or death == "never there":
            return Act(seconds=0.01)
        return Act("hang") if death == "hangs" else Act("drop")

    with Server(lambda call: Act(seconds=0.01)) as healthy, Server(act) as other:
        url = f"http://127.0.0.1:{free_port()}/v1" if death == "never there" else other.url
        with make_client(url, healthy.url, timeout=1.5, most=8) as client:
            assert all(answer.ok for answer in client.ask(ask_double(n) for n in range(150)))
        assert sum((healthy.paid + other.paid).values()) == 150
        assert max((healthy.paid + other.paid).values()) == 1
        assert sum(other.asked.values()) < 60
