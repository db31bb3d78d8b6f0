"""Clients with short pauses, and requests whose right answer everybody knows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hornbook.teacher.client.client import Client
from hornbook.teacher.client.messages import Request
from hornbook.teacher.client.settings import ClientSettings, Endpoint
from hornbook.teacher.interface import Message

SCHEMA = {
    "type": "object",
    "properties": {"double": {"type": "integer"}},
    "required": ["double"],
    "additionalProperties": False,
}


@pytest.fixture
def ask_double() -> Callable[..., Request]:
    """`ask_double(21)` is a request whose answer is {"double": 42}."""

    def make(number: int, **rest: Any) -> Request:
        given: dict[str, Any] = {"schema": SCHEMA, "max_tokens": 100, "about": number}
        return Request((Message("user", f"double {number}"),), **(given | rest))

    return make


@pytest.fixture
def make_settings(tmp_path: Path) -> Callable[..., ClientSettings]:
    """`make_settings(url, url, ..., timeout=...)`: pauses of hundredths of a second."""

    def make(*urls: str, endpoint: dict[str, Any] | None = None, **rest: Any) -> ClientSettings:
        given = {"model": "teacher", **(endpoint or {})}
        endpoints = tuple(Endpoint(base_url=url, **given) for url in urls)
        quick: dict[str, Any] = {"cache": tmp_path / "cache", "backoff": 0.02, "longest_pause": 0.2, "timeout": 5.0}
        return ClientSettings(endpoints=endpoints, **(quick | rest))

    return make


@pytest.fixture
def make_client(make_settings: Callable[..., ClientSettings]) -> Callable[..., Client]:
    def make(*urls: str, progress: Any = None, **rest: Any) -> Client:
        return Client(make_settings(*urls, **rest), progress)

    return make
