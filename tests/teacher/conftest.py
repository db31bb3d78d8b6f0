"""A teacher behind HTTP that answers by schema, and a client that asks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.teacher.answering import Teacher, serving

from hornbook.teacher.client.client import Client
from hornbook.teacher.client.settings import ClientSettings, Endpoint


@pytest.fixture
def start_teacher() -> Iterator[Callable[..., Teacher]]:
    """`start_teacher(change=None)` serves; the teacher has `url` and `requests`."""
    with ExitStack() as stack:
        yield lambda change=None: stack.enter_context(serving(change))


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[Callable[..., Client]]:
    """`ask(teacher)` is a client with a cache of the test's own."""
    with ExitStack() as stack:

        def make(teacher: Teacher, **rest: Any) -> Client:
            endpoint = Endpoint(base_url=teacher.url, model="small")
            given: dict[str, Any] = {"cache": tmp_path / "answers", "backoff": 0.01, "attempts": 2}
            return stack.enter_context(Client(ClientSettings(endpoints=(endpoint,), **(given | rest))))

        yield make
