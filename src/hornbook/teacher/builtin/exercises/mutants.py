"""Functions that are almost a given one: one part exchanged, or one constant off by a little."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any

from hornbook.teacher.builtin.exercises.draw import Drawn
from hornbook.teacher.builtin.exercises.family import Sketch
from hornbook.teacher.builtin.exercises.parts import Bound, Part


def _constant(part: Part, like: Any, random: Random) -> Any:
    """A constant for an exchanged part: the one it takes the place of where that fits."""
    if not part.constants:
        return None
    return like if like in part.constants else random.choice(part.constants)


def _neighbours(bound: Bound) -> Iterator[Any]:
    """Constants next to the part's own."""
    k = bound.k
    if isinstance(k, int):
        yield from (k + 1, k - 1) if k > 1 else (k + 1,)
    elif isinstance(k, tuple) and isinstance(k[0], int):
        yield from ((k[0] + 1, k[1]), (k[0], k[1] - 1))
    elif k is not None:
        yield from [other for other in bound.part.constants if other != k][:2]


def exchanges(drawn: Drawn, random: Random) -> Iterator[tuple[str, tuple[Bound, ...]]]:
    """What was exchanged, and the parts that make the mutant; the names of arguments stay."""
    for place, bound in enumerate(drawn.parts):
        others: list[Bound] = []
        for part in drawn.family.axes[place]:
            if part.key != bound.key:
                others.append(part.bind(_constant(part, bound.k, random), 0))
        others.extend(replace(bound, k=k) for k in _neighbours(bound))
        for other in others:
            label = f"{bound.key} {bound.k} -> {other.key} {other.k}"
            yield label, (*drawn.parts[:place], other, *drawn.parts[place + 1 :])


def mutants(drawn: Drawn, random: Random) -> Iterator[tuple[str, Sketch]]:
    """Every mutant as what was exchanged and its sketch."""
    for label, parts in exchanges(drawn, random):
        yield label, drawn.family.sketch(drawn.style, parts)
