from __future__ import annotations

import math
import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.longrope.evolution import (
    Fitness,
    Individual,
    Journal,
    SearchResult,
    Space,
    evolve,
    initial_population,
    offspring,
)
from hornbook.longrope.factors import Factors
from hornbook.longrope.settings import SearchSettings
from hornbook.progress import Progress

SPACE = Space(8, 100, 1000, (0, 1, 2, 4))
SETTINGS = SearchSettings(population=16, iterations=20, mutations=8, crossovers=8, parents=8)
TARGET = (100, 120, 180, 300, 500, 700, 790, 800)


def distance(individual: Individual) -> float:
    """0 at the target with a threshold of 2."""
    off = sum((a - b) ** 2 for a, b in zip(individual.hundredths, TARGET, strict=True))
    return math.sqrt(off) / 100 + abs(individual.start_tokens - 2) / 10


def run(
    fitness: Fitness, folder: Path, seed: int = 1, key: str = "k", settings: SearchSettings = SETTINGS
) -> SearchResult:
    seeds = [Individual((800,) * 8), Individual((100,) * 8)]
    return evolve(fitness, SPACE, seeds, settings, seed=seed, journal=Journal(folder / "j", key), progress=Progress())


def counted(fitness: Fitness) -> tuple[Fitness, list[Individual]]:
    asked: list[Individual] = []

    def ask(individual: Individual) -> float:
        asked.append(individual)
        return fitness(individual)

    return ask, asked


def dies_after(number: int) -> Callable[[Individual], float]:
    """As `distance`, until the process is told to stop."""
    ask, asked = counted(distance)

    def dying(individual: Individual) -> float:
        if len(asked) == number:
            raise KeyboardInterrupt
        return ask(individual)

    return dying


def test_it_finds_its_way_and_never_gets_worse(tmp_path: Path) -> None:
    found = run(distance, tmp_path)
    assert found.loss == distance(found.best) == found.history[-1]
    assert found.loss < 0.4 * min(found.seeds)
    assert found.history == sorted(found.history, reverse=True)
    assert found.evaluated <= 16 + 20 * 16
    assert len(found.history) == 21


def test_equal_seeds_equal_searches(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir(), (tmp_path / "c").mkdir()
    assert run(distance, tmp_path / "a") == run(distance, tmp_path / "b")
    assert run(distance, tmp_path / "a", seed=2).history != run(distance, tmp_path / "c").history


@pytest.mark.parametrize("number", [0, 3, 16, 57, 200])
def test_stopped_and_started_again_it_ends_the_same_and_evaluates_nobody_twice(tmp_path: Path, number: int) -> None:
    (tmp_path / "whole").mkdir(), (tmp_path / "stopped").mkdir()
    whole_fitness, whole = counted(distance)
    expected = run(whole_fitness, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(dies_after(number), tmp_path / "stopped")
    fitness, asked = counted(distance)
    assert run(fitness, tmp_path / "stopped") == expected
    assert len(asked) == len(whole) - number
    assert len(set(whole)) == len(whole) == expected.evaluated


def test_a_line_that_a_kill_cut_short_is_evaluated_again(tmp_path: Path) -> None:
    expected = run(distance, tmp_path)
    text = (tmp_path / "j").read_text()
    (tmp_path / "j").write_text(text[:-9])
    fitness, asked = counted(distance)
    assert run(fitness, tmp_path) == expected
    assert len(asked) == 1
    assert (tmp_path / "j").read_text() == text


def test_another_models_journal_is_not_believed(tmp_path: Path) -> None:
    run(distance, tmp_path, key="a")
    fitness, asked = counted(distance)
    run(fitness, tmp_path, key="b")
    assert len(asked) > 16


def test_a_loss_that_is_no_number_loses(tmp_path: Path) -> None:
    def broken(individual: Individual) -> float:
        return math.nan if individual.start_tokens else distance(individual)

    found = run(broken, tmp_path)
    assert found.best.start_tokens == 0
    assert run(broken, tmp_path) == found


SPACES = st.builds(
    lambda pairs, width, starts: Space(pairs, 100, 100 + width, starts),
    st.integers(1, 48),
    st.integers(0, 4000),
    st.sampled_from([(0,), (0, 1, 2, 4, 8)]),
)


def lies_in(space: Space, individual: Individual) -> bool:
    steps = individual.hundredths
    return (
        len(steps) == space.pairs
        and all(a <= b for a, b in pairwise(steps))
        and space.low <= steps[0] <= steps[-1] <= space.high
        and individual.start_tokens in space.start_tokens
    )


@given(SPACES, st.integers(0, 1000), st.floats(0.01, 1), st.lists(st.floats(0.1, 80), min_size=48, max_size=48))
def test_whoever_is_born_lies_in_the_space(space: Space, seed: int, probability: float, values: list[float]) -> None:
    source = random.Random(seed)
    first = space.nearest(Factors(tuple(values[: space.pairs])))
    assert lies_in(space, first)
    population = initial_population(space, [first], 20, probability, source)
    assert all(lies_in(space, one) for one in population)
    assert len(set(population)) == len(population) <= 20
    settings = SearchSettings(mutations=10, crossovers=10, probability=probability)
    born = offspring(space, population, settings, population, source)
    assert all(lies_in(space, one) for one in born)
    assert len(set(born)) == len(born) <= 20
    assert not set(born) & set(population)


def test_a_crossover_has_genes_of_its_parents_only() -> None:
    space = Space(16, 100, 1000, (0, 8))
    first = Individual(tuple(range(100, 116)), 0)
    second = Individual(tuple(range(101, 117)), 8)
    source = random.Random(1)
    crossed = [space.crossover(first, second, 0.3, source) for _ in range(200)]
    assert all(gene in pair for one in crossed for gene, *pair in zip(one.hundredths, first[0], second[0], strict=True))
    shares = [sum(a != b for a, b in zip(one.hundredths, first[0], strict=True)) / 16 for one in crossed]
    assert 0.1 < sum(shares) / len(shares) < 0.35
    assert {one.start_tokens for one in crossed} == {0, 8}


def test_seeds_come_first_and_a_tiny_space_is_exhausted_without_end() -> None:
    space = Space(1, 100, 102)
    seeds = [Individual((101,)), Individual((100,))]
    assert initial_population(space, seeds, 10, 0.5, random.Random(0))[:2] == seeds
    everybody = [Individual((step,)) for step in (100, 101, 102)]
    settings = SearchSettings(mutations=4, crossovers=4, probability=0.5)
    assert offspring(space, everybody, settings, everybody, random.Random(0)) == []


def test_factors_are_hundredths() -> None:
    assert Individual((100, 125, 1000), 4).factors(1.2) == Factors((1.0, 1.25, 10.0), 1.2, 4)
