"""Texts of a kind by the built-in teacher, written as a corpus: stories."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hornbook.errors import UserError
from hornbook.progress import Progress
from hornbook.teacher.builtin import stories, story_cast
from hornbook.teacher.builtin.stories import Story
from hornbook.teacher.builtin.story_plots import PLOTS
from hornbook.teacher.diversity import compare
from hornbook.teacher.kinds.answers import Written
from hornbook.teacher.kinds.draws import Drawn
from hornbook.teacher.kinds.produce import Order
from hornbook.teacher.kinds.rows import Folder
from hornbook.teacher.kinds.settings import BUILTIN_KINDS

NAME = "builtin"


def check_kind(name: str) -> None:
    """Raise UserError for a kind that only an LLM can write."""
    if name not in BUILTIN_KINDS:
        raise UserError(
            f"the built-in teacher writes {', '.join(BUILTIN_KINDS)}; for {name} name an LLM with --teacher URL#MODEL, "
            "or in the recipe's [teacher] table"
        )


def produce(order: Order, *, into: Path, progress: Progress) -> dict[str, Any]:
    """The built-in counterpart of `kinds.produce.produce`, with the same files and the same figures."""
    check_kind(order.kind.name)
    source = order.source or order.kind.name
    kept: list[Story] = []
    with (
        Folder(into, order.kind, source=source, teacher=NAME) as folder,
        progress.task(f"write {source}", total=order.count) as task,
    ):
        for number, story in enumerate(stories.stories(order.count, seed=order.seed)):
            kept.append(story)
            folder.keep(Written(Drawn(number, _values(story)), {}, story.text, order.kind.name))
            task.advance()
    texts = [story.text for story in kept]
    return {
        "kind": order.kind.name,
        "teacher": NAME,
        "asked": len(texts),
        "documents": len(texts),
        "characters": sum(map(len, texts)),
        "removed": {},
        "coverage": _coverage(kept),
        "diversity": compare(texts, stories.retold(min(order.compare, order.count), seed=order.seed)),
    }


def _values(story: Story) -> dict[str, str]:
    return {name: ", ".join(value) if isinstance(value, list) else str(value) for name, value in story.seeds.items()}


def _coverage(kept: Sequence[Story]) -> dict[str, dict[str, int]]:
    """How many of the words, plots and features have been used."""
    nouns = {word for words in story_cast.NOUNS.values() for word in words}
    adjectives = {word for words in (*story_cast.ADJECTIVES.values(), story_cast.OF_HEROES) for word in words}
    possible = {
        "verb": len(story_cast.VERBS),
        "noun": len(nouns),
        "adjective": len(adjectives),
        "plot": len(PLOTS),
    }
    found = {name: {"used": len({str(one.seeds[name]) for one in kept}), "of": of} for name, of in possible.items()}
    features = {feature for one in kept for feature in one.plan.features}
    return {**found, "features": {"used": len(features), "of": len(stories.FEATURES)}}
