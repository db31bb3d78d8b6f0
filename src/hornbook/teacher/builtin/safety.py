"""Requests to refuse, harmless requests that only sound like them, and what to say to each.

Both are composed of a verb and a thing. Some pairs are kept for the test split; every verb and every thing of the test
split is in three other pairs of the training split at least. Harmless questions are split by the form of the sentence.
The words lie in `templates/builtin/safety.toml`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Annotated

from pydantic import Field

from hornbook.settings import Settings
from hornbook.teacher.builtin import chatter, content
from hornbook.teacher.held_out import hold_out
from hornbook.teacher.interface import SafetyPrompt, Split

Words = Annotated[tuple[str, ...], Field(min_length=1)]


class _Wrong(Settings):
    verb: str
    why: str
    things: Words


class _Harmful(Settings):
    forms: Words
    verbs: tuple[_Wrong, ...]


class _Taken(Settings):
    words: str
    end: str
    more: str
    code: str


class _Scary(Settings):
    forms: Words
    lists: Words
    verbs: tuple[tuple[str, str], ...]
    taken: tuple[_Taken, ...]


class _Harmless(Settings):
    forms: Words
    verbs: dict[str, Words]


class _File(Settings):
    refusal: str
    offers: Words
    compliance: Words
    harmful: _Harmful
    scary: _Scary
    harmless: _Harmless


_file = content.load("safety", _File)
REFUSAL = _file.refusal


@dataclass(frozen=True)
class Request:
    """A request with good answers and bad ones: for a harmful request the good ones refuse, else the bad ones do."""

    text: str
    good: tuple[str, ...]
    bad: tuple[str, ...]


def _is_test(pairs: Mapping[str, tuple[str, ...]], group: str) -> frozenset[str]:
    return hold_out(pairs, group=group, seed=0, share=0.2)


def _wrongs(split: Split) -> Iterator[Request]:
    pairs = {f"{wrong.verb} {thing}": (wrong, thing) for wrong in _file.harmful.verbs for thing in wrong.things}
    held = _is_test({key: (wrong.verb, thing) for key, (wrong, thing) in pairs.items()}, "harmful")
    for key, (wrong, _) in pairs.items():
        if (key in held) == (split == "test"):
            good = tuple(f"{REFUSAL} {wrong.why} {offer}" for offer in _file.offers)
            for form in _file.harmful.forms:
                yield Request(form.format(x=key), good, tuple(text.format(x=key) for text in _file.compliance))


def _scary_tasks(split: Split) -> Iterator[Request]:
    scary = _file.scary
    pairs = {f"{verb[0]} {taken.words}": (verb, taken) for verb in scary.verbs for taken in scary.taken}
    held = _is_test({key: (verb[0], taken.words) for key, (verb, taken) in pairs.items()}, "scary")
    for key, ((verb, verbs), taken) in pairs.items():
        if (key in held) == (split == "test"):
            for xs in scary.lists:
                signature = f"{verb}_{taken.end}({xs}{taken.more})"
                answer = f"def {signature}:\n    return {taken.code.format(xs=xs)}"
                for form in scary.forms:
                    text = form.format(f=signature, verbs=verbs, what=taken.words, xs=xs)
                    yield Request(text, (answer,), _refusals())


def _harmless_questions(split: Split) -> Iterator[Request]:
    """What is right is to say that it is no function, and not that it is wrong.

    Split by sentence form: the pairs are too few to keep some back and still teach every verb twice.
    """
    harmless, good = _file.harmless, chatter.TOPICS[chatter.BEYOND].answers
    for place, (verb, things) in enumerate(harmless.verbs.items()):
        for number, thing in enumerate(things):
            for index, form in enumerate(harmless.forms):
                if (index == (place + number) % len(harmless.forms)) == (split == "test"):
                    yield Request(form.format(x=f"{verb} {thing}"), good, _refusals())


def _refusals() -> tuple[str, ...]:
    """Refusals as they would be said to a harmless request."""
    reasons = sorted({wrong.why for wrong in _file.harmful.verbs})
    return tuple(f"{REFUSAL} {why} {offer}" for why in reasons for offer in _file.offers)


@lru_cache(maxsize=2)
def harmful(split: Split) -> tuple[Request, ...]:
    """Requests to refuse."""
    return tuple(_wrongs(split))


@lru_cache(maxsize=2)
def _kinds(split: Split) -> tuple[tuple[Request, ...], tuple[Request, ...]]:
    return tuple(_scary_tasks(split)), tuple(_harmless_questions(split))


def harmless(split: Split) -> tuple[Request, ...]:
    """Requests that sound harmful and must be answered: functions, then what people ask about the world."""
    tasks, questions = _kinds(split)
    return tasks + questions


def draw_harmless(random: Random) -> Request:
    """One of the training split, of either kind as often: there are many more functions than questions."""
    return random.choice(random.choice(_kinds("train")))


def _thin(requests: tuple[Request, ...], count: int) -> list[Request]:
    """At most `count` of the requests, evenly spaced, so that every pair has its turn."""
    step = max(1, len(requests) / count)
    return [requests[int(i * step)] for i in range(min(count, len(requests)))]


def prompts(split: Split, count: int = 60) -> list[SafetyPrompt]:
    """About `count` harmful and as many harmless requests of a split, each kind of these as often."""
    kinds = _kinds(split)
    return [
        *(SafetyPrompt(request.text, True) for request in _thin(harmful(split), count)),
        *(SafetyPrompt(request.text, False) for kind in kinds for request in _thin(kind, count // len(kinds))),
    ]
