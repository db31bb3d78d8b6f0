"""Small talk: what a person says that asks for no code, and what the assistant says. See `small-talk.toml`."""

from __future__ import annotations

from random import Random
from typing import Annotated

from pydantic import Field

from hornbook.settings import Settings
from hornbook.teacher.builtin import content

Words = Annotated[tuple[str, ...], Field(min_length=1)]


class _Topic(Settings):
    said: Words
    answers: Words


class _File(Settings):
    people: Words
    topics: dict[str, _Topic]


_file = content.load("small-talk", _File)
TOPICS = _file.topics


def exchange(topic: str, random: Random) -> tuple[str, str]:
    """Something said and the answer to it."""
    about = TOPICS[topic]
    person = random.choice(_file.people)
    return random.choice(about.said).format(p=person), random.choice(about.answers).format(p=person)


def any_exchange(random: Random) -> tuple[str, str]:
    """An exchange on any topic."""
    return exchange(random.choice(list(TOPICS)), random)
