"""A whole set of exercises: every training composition of every family in turn."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from hornbook.seeds import derive, stream
from hornbook.teacher.builtin.exercises.catalogue import FAMILIES, compositions
from hornbook.teacher.builtin.exercises.draw import LONGEST, Drawn, draw
from hornbook.teacher.builtin.exercises.family import Family
from hornbook.teacher.builtin.exercises.splits import held_out


def _of_family(family: Family, seed: int) -> Iterator[Drawn | None]:
    """Draws of one family without end: each training composition once in a shuffled order, then each again, ...

    None stands for a draw that is too long.
    """
    keyed = compositions()[family.name]
    keys = sorted(keyed.keys() - held_out(seed)[family.name])
    for turn in itertools.count():
        stream(seed, "exercises", family.name, turn).shuffle(keys)
        for key in keys:
            drawn = draw(family, keyed[key], derive(seed, "exercise", key, turn))
            yield drawn if len(drawn.prompt) + len(drawn.body) <= LONGEST else None


def drawings(seed: int) -> Iterator[Drawn]:
    """Draws with different texts, one of each family in turn, without end."""
    sources = [_of_family(family, seed) for family in FAMILIES]
    seen: set[tuple[str, str]] = set()
    while True:
        for source in sources:
            drawn = next(source)
            if drawn is None or (drawn.signature, drawn.docstring) in seen:
                continue
            seen.add((drawn.signature, drawn.docstring))
            yield drawn
