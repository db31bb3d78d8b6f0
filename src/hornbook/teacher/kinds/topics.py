"""The tree of topics: it begins with a list, and the teacher names narrower ones level by level (phi-1.5's 20,000)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from hornbook.errors import UserError
from hornbook.seeds import derive, stream
from hornbook.teacher.client.messages import Answer, Request
from hornbook.teacher.kinds import lists
from hornbook.teacher.kinds.fill import places
from hornbook.teacher.kinds.rows import Asker, request_for
from hornbook.teacher.kinds.template import Draw, Kind, load

WAVE = 48  # topics that are expanded together; their narrower ones are taken in turn
NARROWER = 12
GIVEN = frozenset({"topic", "path", "number"})  # what the template that topics are expanded with is asked with


@dataclass(frozen=True)
class Topic:
    """A topic and those above it, the widest first."""

    name: str
    above: tuple[str, ...] = ()


def roots(how: Draw, kind: Kind, seed: int) -> list[Topic]:
    """Where the tree begins, in a seeded order."""
    found = [Topic(name) for name in lists.words(how.topics, kind.folder)]
    stream(seed, "topics", how.topics).shuffle(found)
    return found


def grow(how: Draw, kind: Kind, asker: Asker, wanted: int, *, seed: int) -> list[str]:
    """At least `wanted` topics if the teacher knows so many, `how.most` at most; wide ones first.

    Asking for more later gives the same ones first. A topic that nothing narrower is found for stays as it is.
    """
    wanted = min(wanted, how.most)
    found = roots(how, kind, seed)
    seen = {_key(topic.name) for topic in found}
    expanded = 0
    template = _expansion(how, kind)
    while len(found) < wanted and expanded < len(found):
        wave = found[expanded : expanded + WAVE]
        expanded += len(wave)
        requests = [_request(template, topic, seed) for topic in wave]
        answers = asker.ask(requests, total=len(requests), label="grow the tree of topics")
        for topic in _in_turn(wave, list(answers)):
            if _key(topic.name) not in seen:
                seen.add(_key(topic.name))
                found.append(topic)
    return [topic.name for topic in found[: max(wanted, 1)]]


def _expansion(how: Draw, kind: Kind) -> Kind:
    """The template that a topic is expanded with. Raises UserError for one that cannot be used so."""
    found = load(how.expand, kind.folder)
    asked = places(found.template.system) | places(found.template.prompt)
    if "topics" not in found.template.answer or not asked <= GIVEN:
        given = ", ".join(f"{{{name}}}" for name in sorted(GIVEN))
        raise UserError(f"the template {found.name} cannot expand topics: it is given {given} and answers with topics")
    return found


def _request(template: Kind, topic: Topic, seed: int) -> Request:
    values = {
        "topic": topic.name,
        "path": " > ".join(topic.above) or "the subjects of a general education",
        "number": str(NARROWER),
    }
    return request_for(template, values, derive(seed, "topics", *topic.above, topic.name))


def _in_turn(wave: Sequence[Topic], answers: Sequence[Answer]) -> Iterator[Topic]:
    """The first narrower topic of each, then the second of each, ...: any beginning of the tree is broad."""
    named = [
        answer.value["topics"] if answer.ok and isinstance(answer.value["topics"], list) else [] for answer in answers
    ]
    for row in zip_longest(*named):
        for topic, name in zip(wave, row, strict=True):
            if isinstance(name, str) and name.strip():
                yield Topic(re.sub(r"\s+", " ", name).strip(), (*topic.above, topic.name))


def _key(name: str) -> str:
    return re.sub(r"\W+", " ", name).strip().casefold()
