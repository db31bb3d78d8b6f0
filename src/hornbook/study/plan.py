"""What a study would do: which stages each run makes, and which it takes from a run before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hornbook.planning.efforts import efforts
from hornbook.planning.teaching import own_prices, teaching
from hornbook.recipe import Recipe
from hornbook.runs.changes import state
from hornbook.runs.effort import Effort
from hornbook.study.run import RUNS, steps_of
from hornbook.study.settings import Run, Study


@dataclass(frozen=True)
class Planned:
    """A run: the stages that it makes, with their efforts, those that are made for another one, and those done.

    teacher_dollars: what an LLM is paid for the stages that it makes.
    """

    name: str
    makes: list[str]
    shared: list[str]
    done: list[str]
    efforts: list[Effort]
    teacher_dollars: float = 0.0


def plan(study: Study, todo: Sequence[Run], root: Path) -> list[Planned]:
    """Every run, in order. Stages count as equal whose settings, and those of all before them, are the same; others
    may turn out equal, too, where what they read is.
    """
    seen: set[str] = set()
    found = []
    for run in todo:
        _, steps = steps_of(study, run)
        amounts = efforts(run.recipe, run.base)
        there = state(steps, root / RUNS / run.name).done
        planned = Planned(run.name, [], [], [], [])
        keys: dict[str, str] = {}
        for step in steps:
            key = keys[step.name] = step.job({name: keys[name] for name in step.inputs}).key
            if step.name in there:
                planned.done.append(step.name)
            elif key in seen:
                planned.shared.append(step.name)
            else:
                planned.makes.append(step.name)
                planned.efforts.append(amounts[step.name])
            seen.add(key)
        found.append(replace(planned, teacher_dollars=_teacher_dollars(run.recipe, run.base, planned.makes)))
    return found


def _teacher_dollars(recipe: Recipe, base: Path, makes: Sequence[str]) -> float:
    left = {name for name in ("grade", "write") if name not in makes}
    asked = recipe.model_copy(
        update={"without": (*recipe.without, *left), "sources": recipe.sources if "texts" in makes else ()}
    )
    return teaching(asked, base).dollars(own_prices(recipe))
