"""Problems tell the right function from trivial ones and from its near relatives."""

from random import Random
from typing import Any

import pytest

from hornbook.sandbox.same import same
from hornbook.seeds import stream
from hornbook.teacher.builtin.exercises import arguments
from hornbook.teacher.builtin.exercises.catalogue import BY_NAME, FAMILIES, compositions, is_held_out
from hornbook.teacher.builtin.exercises.draw import Drawn, draw
from hornbook.teacher.builtin.exercises.mutants import exchanges, mutants
from hornbook.teacher.builtin.exercises.problems import FEWEST_CASES, MOST_CASES, TRIVIAL, problems
from hornbook.teacher.interface import Problem


@pytest.fixture(scope="module")
def some() -> list[Problem]:
    return problems(100, 4)


def _drawn(problem: Problem) -> Drawn:
    return draw(BY_NAME[problem.family], compositions()[problem.family][problem.composition], problem.seeds["seed"])


def _passes(function: Any, problem: Problem) -> bool:
    return all(same(function(*case.arguments), case.expected) for case in problem.cases)


def test_they_are_held_out_and_spread_over_the_families(some: list[Problem]) -> None:
    assert all(is_held_out(problem.composition, 4) for problem in some)
    assert len({problem.composition for problem in some}) == len({problem.id for problem in some}) == 100
    counts = [sum(problem.family == family.name for problem in some) for family in FAMILIES if len(family.axes) > 1]
    assert sum(counts) == 100 and min(counts) >= 1
    assert max(counts) <= 3


def test_the_solution_passes(some: list[Problem]) -> None:
    for problem in some:
        names: dict[str, Any] = {}
        exec(problem.prompt + problem.solution, names)
        assert _passes(names[problem.name], problem)
        assert FEWEST_CASES <= len(problem.cases) <= MOST_CASES


def test_the_question_asks_for_the_same(some: list[Problem]) -> None:
    for problem in some:
        drawn = _drawn(problem)
        assert drawn.signature in problem.question
        assert drawn.sketch.phrase in problem.question
        assert drawn.sketch.phrase in problem.prompt


@pytest.mark.parametrize("body", TRIVIAL)
def test_trivial_bodies_fail(some: list[Problem], body: str) -> None:
    assert not [problem.id for problem in some if _passes(TRIVIAL[body], problem)]


def test_mutants_fail(some: list[Problem]) -> None:
    """Of all mutants that differ on any of 200 further arguments, all but a few with rare differences fail."""
    different = survived = 0
    for problem in some[:50]:
        drawn, random = _drawn(problem), stream(0, problem.id)
        tried = [drawn.case(arguments.arguments(drawn.family.kinds, random, drawn.hints)) for _ in range(200)]
        for _, sketch in mutants(drawn, random):
            if any(not same(sketch.meaning(*case.arguments), case.expected) for case in tried):
                different += 1
                survived += _passes(sketch.meaning, problem)
    assert different > 1000
    assert survived / different < 0.015


def test_mutants_exchange_exactly_one_part() -> None:
    for family in FAMILIES:
        parts = next(iter(compositions()[family.name].values()))
        drawn = draw(family, parts, 9)
        bodies = set()
        for label, others in exchanges(drawn, Random(1)):
            changed = [
                one for one, other in zip(drawn.parts, others, strict=True) if (one.key, one.k) != (other.key, other.k)
            ]
            assert len(changed) == 1, label
            bodies.add(family.sketch(drawn.style, others).body)
        assert len(bodies - {drawn.sketch.body}) >= 5
