"""Held-out problems, with cases that tell the right function from trivial ones and from its near relatives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from hornbook.seeds import derive, stream
from hornbook.teacher.builtin.exercises import arguments
from hornbook.teacher.builtin.exercises.catalogue import BY_NAME, compositions
from hornbook.teacher.builtin.exercises.draw import LONGEST, Drawn, draw
from hornbook.teacher.builtin.exercises.mutants import mutants
from hornbook.teacher.builtin.exercises.phrasing import QUESTIONS
from hornbook.teacher.builtin.exercises.splits import held_out
from hornbook.teacher.check import same
from hornbook.teacher.interface import Case, Problem

CANDIDATES = 48  # argument tuples tried for each problem
FEWEST_CASES, MOST_CASES = 6, 10
TRIES = 8  # draws of constants for one composition before it is left out

TRIVIAL: dict[str, Callable[..., Any]] = {
    "None": lambda *a: None,
    "0": lambda *a: 0,
    "1": lambda *a: 1,
    "-1": lambda *a: -1,
    "True": lambda *a: True,
    "False": lambda *a: False,
    '""': lambda *a: "",
    "[]": lambda *a: [],
    "{}": lambda *a: {},
    "the first argument": lambda *a: a[0],
    "the last argument": lambda *a: a[-1],
}


def question(drawn: Drawn, random: Random) -> str:
    """A request for the function as a person in a chat would word it."""
    return random.choice(QUESTIONS[drawn.family.frames]).format(f=drawn.signature, x=drawn.sketch.phrase)


def distinguishing_cases(drawn: Drawn, random: Random) -> tuple[Case, ...] | None:
    """Cases that every trivial body fails, and every mutant that any of the candidates can tell apart.

    None when a trivial body cannot be told from the solution, or when that takes more than `MOST_CASES` cases.
    """
    kinds = drawn.family.kinds
    candidates = [*arguments.edges(kinds)]
    candidates += [arguments.arguments(kinds, random, drawn.hints) for _ in range(CANDIDATES)]
    cases = [drawn.case(values) for values in candidates]
    rivals = {f"return {name}": function for name, function in TRIVIAL.items()}
    rivals |= {label: sketch.meaning for label, sketch in mutants(drawn, random)}
    # killed[i]: the rivals that give a wrong answer on case i
    killed = [
        {name for name, rival in rivals.items() if not same(rival(*case.arguments), case.expected)} for case in cases
    ]
    alive = set().union(*killed)
    if any(f"return {name}" not in alive for name in TRIVIAL):
        return None
    chosen: list[int] = []
    while alive and len(chosen) < MOST_CASES:
        best = max(range(len(cases)), key=lambda i: (len(killed[i] & alive), -i))
        chosen.append(best)
        alive -= killed[best]
    if alive:
        return None
    spare = (i for i in range(len(cases)) if i not in chosen)
    while len(chosen) < FEWEST_CASES:
        chosen.append(next(spare))
    return tuple([cases[i] for i in sorted(chosen)])


def _orders(seed: int) -> Iterator[tuple[str, str]]:
    """Held-out compositions as (family, key): one of each family, then the next of each, in an order the seed gives."""
    left = {}
    for family, keys in held_out(seed).items():
        left[family] = sorted(keys)
        stream(seed, "problems", family).shuffle(left[family])
    families = sorted(left)
    while any(left.values()):
        stream(seed, "problems", "round", sum(map(len, left.values()))).shuffle(families)
        yield from [(family, left[family].pop()) for family in families if left[family]]


def _problem(family: str, key: str, seed: int) -> Problem | None:
    for attempt in range(TRIES):
        drawn = draw(BY_NAME[family], compositions()[family][key], derive(seed, "problem", key, attempt))
        if len(drawn.prompt) + len(drawn.body) > LONGEST:
            continue
        random = stream(seed, "problem", key, attempt, "cases")
        cases = distinguishing_cases(drawn, random)
        if cases is not None:
            return Problem(
                id=f"{family}-{derive(0, drawn.prompt):016x}",
                family=family,
                composition=key,
                name=drawn.name,
                parameters=drawn.style.names,
                prompt=drawn.prompt,
                question=question(drawn, random),
                solution=drawn.body,
                cases=cases,
                seeds=drawn.seeds,
            )
    return None


def problems(count: int, seed: int) -> list[Problem]:
    """`count` problems of different held-out compositions, as evenly over the families as they go."""
    found: list[Problem] = []
    for family, key in _orders(seed):
        if len(found) == count:
            break
        problem = _problem(family, key, seed)
        if problem is not None:
            found.append(problem)
    return found
