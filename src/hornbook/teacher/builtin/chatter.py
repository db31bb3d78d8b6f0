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
    words: dict[str, Words]
    topics: dict[str, _Topic]


_file = content.load("small-talk", _File)
TOPICS = _file.topics
BEYOND = "beyond"  # the topic of what the model can't do


def exchange(topic: str, random: Random) -> tuple[str, str]:
    """Something said and the answer to it."""
    about = TOPICS[topic]
    words = {slot: random.choice(words) for slot, words in _file.words.items()}
    return random.choice(about.said).format(**words), random.choice(about.answers).format(**words)


def any_exchange(random: Random) -> tuple[str, str]:
    """An exchange on any topic, but for what is beyond the model."""
    return exchange(random.choice([topic for topic in TOPICS if topic != BEYOND]), random)
