"""From seeds to a request. `Asker` is what is needed of the client behind endpoints."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from typing import Any, Protocol

from hornbook.teacher.client.messages import Answer, Request
from hornbook.teacher.interface import Message
from hornbook.teacher.kinds.fill import fill
from hornbook.teacher.kinds.template import Kind

SEEDS = 1 << 31  # what endpoints take for a seed


class Asker(Protocol):
    """Gets requests answered, in order, each once: see `hornbook.teacher.client.client.Client`."""

    @property
    def name(self) -> str:
        """Who answers."""

    def ask(
        self, requests: Iterable[Request], *, ordered: bool = True, total: int | None = None, label: str = ""
    ) -> Generator[Answer, None, None]:
        """One answer for each request."""


def request_for(kind: Kind, values: Mapping[str, str], seed: int, about: Any = None) -> Request:
    """The request that a template comes to with these values."""
    template = kind.template
    system = fill(template.system, values)
    messages = [Message("system", system)] if system else []
    return Request(
        (*messages, Message("user", fill(template.prompt, values))),
        schema=template.answer_schema(),
        temperature=template.temperature,
        top_p=template.top_p,
        max_tokens=template.max_tokens,
        seed=seed % SEEDS,
        about=about,
    )
