"""The evolutionary search of LongRoPE: algorithm 1 of arXiv:2402.13753, free of what a fitness is.

An individual is one factor for each rotary pair, on a grid of 0.01, and a threshold of start tokens. Factors never fall
from one pair to the next. Every evaluation is written down; none is made twice.
"""

from __future__ import annotations

import json
import math
import os
import random
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from hornbook.files import digest_value, write_text
from hornbook.longrope.factors import Factors
from hornbook.longrope.settings import SearchSettings
from hornbook.progress import Progress, Task
from hornbook.seeds import stream

GRID = 100  # so many steps of a factor make 1
ATTEMPTS = 20  # to find a child that is new


class Individual(NamedTuple):
    """A candidate: its factors in hundredths, which compare exactly, and its threshold of start tokens."""

    hundredths: tuple[int, ...]
    start_tokens: int = 0

    def factors(self, attention_factor: float) -> Factors:
        """As factors; see `Factors` for the attention factor, which is not searched."""
        return Factors(tuple(step / GRID for step in self.hundredths), attention_factor, self.start_tokens)


Fitness = Callable[[Individual], float]


@dataclass(frozen=True)
class Space:
    """What is searched: `pairs` factors from `low` to `high` hundredths that do not fall, and these start tokens."""

    pairs: int
    low: int
    high: int
    start_tokens: tuple[int, ...] = (0,)

    def nearest(self, factors: Factors) -> Individual:
        """The individual of this space that is nearest to published factors."""
        steps = [min(max(round(value * GRID), self.low), self.high) for value in factors.values]
        rising = [max(steps[: index + 1]) for index in range(len(steps))]
        start = factors.start_tokens if factors.start_tokens in self.start_tokens else self.start_tokens[0]
        return Individual(tuple(rising), start)

    def mutate(self, parent: Individual, probability: float, source: random.Random) -> Individual:
        """Each gene of the parent is drawn anew with `probability`; a factor stays between its neighbours."""
        steps = list(parent.hundredths)
        for index in range(self.pairs):
            if source.random() < probability:
                steps[index] = source.randint(*self._bounds(steps, index))
        start = source.choice(self.start_tokens) if source.random() < probability else parent.start_tokens
        return Individual(tuple(steps), start)

    def crossover(self, first: Individual, second: Individual, probability: float, source: random.Random) -> Individual:
        """The first parent with genes of the second, each with `probability` where factors still do not fall."""
        steps = list(first.hundredths)
        for index, other in enumerate(second.hundredths):
            low, high = self._bounds(steps, index)
            if source.random() < probability and low <= other <= high:
                steps[index] = other
        start = second.start_tokens if source.random() < probability else first.start_tokens
        return Individual(tuple(steps), start)

    def _bounds(self, steps: Sequence[int], index: int) -> tuple[int, int]:
        """Between what a factor may lie, given its neighbours."""
        low = steps[index - 1] if index else self.low
        high = steps[index + 1] if index + 1 < self.pairs else self.high
        return low, high


class Journal:
    """Every evaluation so far, on disk as soon as it is known.

    `key` names what was evaluated (weights, documents, settings); a journal with another key is begun anew.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.path = path
        self.known: dict[Individual, float] = {}
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        if not lines or lines[0] != json.dumps({"key": key}):
            lines = [json.dumps({"key": key})]
        whole = lines[:1]
        for line in lines[1:]:
            try:
                steps, start, loss, check = json.loads(line)
            except (ValueError, TypeError, RecursionError):  # a kill cut the last line short, or a bit is another
                continue
            if check != digest_value([steps, start, loss]):
                continue
            self.known[Individual(tuple(steps), start)] = loss
            whole.append(line)
        write_text(path, "".join(f"{line}\n" for line in whole))

    def add(self, individual: Individual, loss: float) -> None:
        """Write one evaluation down."""
        self.known[individual] = loss
        with self.path.open("a", encoding="utf-8") as file:
            told = [list(individual.hundredths), individual.start_tokens, loss]
            file.write(json.dumps([*told, digest_value(told)]) + "\n")
            file.flush()
            os.fsync(file.fileno())


@dataclass(frozen=True)
class SearchResult:
    """The best individual with its loss in nats a token, the losses of the seeds, and the best after each iteration."""

    best: Individual
    loss: float
    seeds: list[float]
    history: list[float]
    evaluated: int


def evolve(
    fitness: Fitness,
    space: Space,
    seeds: Sequence[Individual],
    settings: SearchSettings,
    *,
    seed: int,
    journal: Journal,
    progress: Progress,
    label: str = "searching factors",
) -> SearchResult:
    """Search for the individual with the lowest loss.

    Each iteration draws from a stream of its own, so that a search which is started again and reads its journal goes
    through the very same individuals: it ends as if it had never been stopped.
    """
    evaluated: dict[Individual, float] = {}
    total = settings.population + settings.iterations * (settings.mutations + settings.crossovers)
    with progress.task(label, total) as bar:
        source = stream(seed, "longrope", "first")
        first = initial_population(space, seeds, settings.population, settings.probability, source)
        _evaluate([*seeds, *first], fitness, evaluated, journal, bar)
        parents = _best(evaluated, settings.parents)
        history = [evaluated[parents[0]]]
        for iteration in range(settings.iterations):
            source = stream(seed, "longrope", "iteration", iteration)
            _evaluate(offspring(space, parents, settings, evaluated, source), fitness, evaluated, journal, bar)
            parents = _best(evaluated, settings.parents)
            history.append(evaluated[parents[0]])
    return SearchResult(parents[0], history[-1], [evaluated[one] for one in seeds], history, len(evaluated))


def initial_population(
    space: Space, seeds: Sequence[Individual], size: int, probability: float, source: random.Random
) -> list[Individual]:
    """The seeds, and mutants of seeds until there are `size` (fewer in a very small space)."""
    population = list(dict.fromkeys(seeds))
    for _ in range(size * ATTEMPTS):
        if len(population) >= size:
            break
        child = space.mutate(source.choice(seeds), probability, source)
        if child not in population:
            population.append(child)
    return population[:size]


def offspring(
    space: Space,
    parents: Sequence[Individual],
    settings: SearchSettings,
    known: Container[Individual],
    source: random.Random,
) -> list[Individual]:
    """Mutants and crossovers of the parents, as many as the settings say, that are not in `known`.

    A crossover that finds nothing new becomes a mutant of its first parent; what still is not new is left out.
    """
    children: dict[Individual, None] = {}
    for number in range(settings.mutations + settings.crossovers):
        first = source.choice(parents)
        crossing = number >= settings.mutations and len(parents) > 1
        second = source.choice([one for one in parents if one != first]) if crossing else None
        for attempt in range(2 * ATTEMPTS):
            if second is not None and attempt < ATTEMPTS:
                child = space.crossover(first, second, settings.probability, source)
            else:
                child = space.mutate(first, settings.probability, source)
            if child not in known and child not in children:
                children[child] = None
                break
    return list(children)


def _evaluate(
    population: Sequence[Individual],
    fitness: Fitness,
    evaluated: dict[Individual, float],
    journal: Journal,
    bar: Task,
) -> None:
    for individual in population:
        if individual in evaluated:
            continue
        if individual not in journal.known:
            loss = fitness(individual)
            journal.add(individual, loss if math.isfinite(loss) else math.inf)
        evaluated[individual] = journal.known[individual]
        bar.advance()
        bar.note(f"loss {min(evaluated.values()):.4f}")


def _best(evaluated: dict[Individual, float], count: int) -> list[Individual]:
    """The `count` individuals with the lowest losses; equal ones in the order of their genes."""
    return sorted(evaluated, key=lambda individual: (evaluated[individual], individual))[:count]
