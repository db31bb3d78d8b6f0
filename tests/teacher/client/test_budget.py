from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from rich.console import Console
from tests.teacher.client.server import Act, Server

from hornbook.teacher.client.budget import estimate, show
from hornbook.teacher.client.client import Client
from hornbook.teacher.client.messages import Request

PRICES = {"price_in": 2.0, "price_out": 10.0}


def test_what_is_cached_or_asked_twice_is_free(
    make_settings: Callable[..., Any], ask_double: Callable[..., Request]
) -> None:
    with Server(lambda call: Act()) as server:
        settings = make_settings(server.url, endpoint=PRICES)
        before = estimate([ask_double(n) for n in range(10)], settings)
        assert not settings.cache.exists() and server.calls == []
        with Client(settings) as client:
            assert len(list(client.ask(ask_double(n) for n in range(4)))) == 4
    found = estimate([ask_double(n % 10) for n in range(20)], settings)
    assert (before.requests, before.new, found.requests, found.new) == (10, 10, 20, 6)
    assert (before.tokens_in, before.tokens_out) == (20, 1000)  # "double 3": eight characters, two tokens
    assert (found.tokens_in, found.tokens_out) == (12, 600)
    assert before.money == (20 * 2 + 1000 * 10) / 1e6 and not before.exact


def test_a_sample_is_scaled_and_a_tokenizer_believed(
    make_settings: Callable[..., Any], ask_double: Callable[..., Request]
) -> None:
    settings = make_settings("http://localhost:1/v1", endpoint=PRICES)
    found = estimate((ask_double(n) for n in range(10)), settings, count=1000, count_tokens=lambda text: 7)
    assert (found.requests, found.new, found.tokens_in, found.tokens_out) == (1000, 1000, 7000, 100_000)
    assert found.exact
    assert estimate([], settings, count=5).tokens_in == 0


def test_three_filled_prompts_and_the_cost_are_shown(
    make_settings: Callable[..., Any], ask_double: Callable[..., Request]
) -> None:
    def shown(settings: Any) -> str:
        console = Console(file=io.StringIO(), width=100)
        show(estimate((ask_double(n) for n in range(10)), settings), console)
        return console.file.getvalue()  # type: ignore[attr-defined]

    text = shown(make_settings("http://localhost:1/v1", endpoint={"price_in": 2.0, "price_out": 10_000.0}))
    assert all(f"user:\ndouble {n}\n" in text for n in range(3)) and "double 3" not in text
    assert "at most 10.00" in text and "at most 1,000 tokens" in text and "4 characters a token" in text
    assert "Nothing was sent." in text
    assert "unknown" in shown(make_settings("http://localhost:1/v1"))
