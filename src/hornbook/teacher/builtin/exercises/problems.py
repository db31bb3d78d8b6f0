"""Held-out problems, with cases that tell the right function from trivial ones and from its near relatives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

from hornbook.sandbox.same import same
from hornbook.seeds import derive, stream
from hornbook.teacher.builtin.exercises import arguments
from hornbook.teacher.builtin.exercises.catalogue import BY_NAME, compositions, held_out
from hornbook.teacher.builtin.exercises.draw import LONGEST, Drawn, draw
from hornbook.teacher.builtin.exercises.mutants import exchanges
from hornbook.teacher.builtin.exercises.phrasing import QUESTIONS
from hornbook.teacher.interface import Case, Problem

CANDIDATES = 30  # argument tuples that every rival is tried on
RARE = 240  # further ones, for the rivals that are left
FEWEST_CASES, MOST_CASES = 7, 10
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
    """Cases that every trivial body fails, and every mutant that a few hundred arguments can tell apart.

    None when a trivial body cannot be told from the solution, or when that takes more than `MOST_CASES` cases.
    """
    kinds = drawn.family.kinds
    close = list(exchanges(drawn, random))
    rivals: dict[str, Callable[..., Any]] = {f"return {name}": function for name, function in TRIVIAL.items()}
    rivals |= {label: drawn.family.sketch(drawn.style, parts).meaning for label, parts in close}
    wider = arguments.hints_of([bound.k for _, parts in close for bound in parts])
    candidates = [*arguments.edges(kinds)]
    for hints in (drawn.hints, wider):
        candidates += [arguments.arguments(kinds, random, hints) for _ in range(CANDIDATES // 2)]
    cases = [drawn.case(values) for values in candidates]
    chosen = _cover(cases, rivals)
    if any(f"return {name}" in rivals for name in TRIVIAL):
        return None
    # What is left needs rare arguments, or means the same: many more are tried, against these few rivals only.
    for number in range(RARE):
        if not rivals:
            break
        case = drawn.case(arguments.arguments(kinds, random, wider if number % 2 else drawn.hints))
        if _kill(case, rivals):
            chosen.append(case)
    for case in cases:
        if len(chosen) < FEWEST_CASES and case not in chosen:
            chosen.append(case)
    return tuple(chosen) if len(chosen) <= MOST_CASES else None


def _kill(case: Case, rivals: dict[str, Callable[..., Any]]) -> bool:
    """Take those out of `rivals` that fail the case; whether any did."""
    dead = [name for name, rival in rivals.items() if not same(rival(*case.arguments), case.expected)]
    for name in dead:
        del rivals[name]
    return bool(dead)


def _cover(cases: Sequence[Case], rivals: dict[str, Callable[..., Any]]) -> list[Case]:
    """Few of the cases that together fail every rival any of them fails; those rivals are taken out of `rivals`."""
    killed = [
        {name for name, rival in rivals.items() if not same(rival(*case.arguments), case.expected)} for case in cases
    ]
    alive: set[str] = set().union(*killed)
    for name in alive:
        del rivals[name]
    chosen = []
    while alive:
        best = max(range(len(cases)), key=lambda i: (len(killed[i] & alive), -i))
        chosen.append(cases[best])
        alive -= killed[best]
    return chosen


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
                ours=True,
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
