"""The stages that one recipe has: their declarations, bound to the recipe's settings and to each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from hornbook.files import digest_value
from hornbook.progress import Progress
from hornbook.runs.code import code_digest
from hornbook.runs.effort import Effort, Volume
from hornbook.runs.manifest import Manifest
from hornbook.runs.ranks import perform
from hornbook.runs.stage import EVERY_STAGE, Checkpoint, Input, Stage, Work
from hornbook.runs.store import Job


@dataclass(frozen=True)
class Step:
    """A stage as one recipe has it. inputs: the stages whose folders it reads; parts: the file or folder of such a
    stage that it reads, where that is not all. settings: what decides its result; beside: those that do not, which are
    told all the same.

    modules: where the code begins that the result depends on. run: gets the inputs' folders by stage, the folder to
    fill, and where to show progress; returns figures.
    """

    name: str
    summary: str
    inputs: tuple[str, ...]
    settings: dict[str, Any]
    modules: tuple[str, ...]
    run: Callable[[Mapping[str, Path], Path, Progress], dict[str, Any]]
    outside: Callable[[], Any] = lambda: None
    headline: Callable[[dict[str, Any]], str] = lambda figures: ""
    checkpoints: tuple[Checkpoint, ...] = ()
    runs_generated_code: bool = False
    estimate: Callable[[Volume], Effort] = lambda volume: Effort()
    beside: Mapping[str, Any] = field(default_factory=dict)
    parts: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def code(self) -> str:
        """One hash of the code that the result depends on."""
        return digest_value([code_digest(module) for module in self.modules])

    def job_after(self, made: Mapping[str, Manifest]) -> Job:
        """What decides the result, once the stages that it reads are `made`."""
        return self.job({name: made[name].content_of(self.parts.get(name, "")) for name in self.inputs})

    def job(self, contents: Mapping[str, str]) -> Job:
        """What decides the result, `contents` being those of its inputs by stage."""
        return Job(self.name, self.settings, contents, self.code, self.outside(), self.beside)


def steps(
    order: Sequence[Stage[Any]],
    recipe: BaseModel,
    *,
    without: Sequence[str] = (),
    base: Path = Path(),
    allow_unisolated: bool = False,
) -> list[Step]:
    """Every stage of `order` that the recipe has. A stage whose input nothing makes is none of them."""
    there: dict[str, tuple[Checkpoint, ...]] = {}  # by stage the checkpoints that one could train further
    found: list[Step] = []
    for stage in order:
        settings = None if stage.name in without else stage.of_recipe(recipe)
        if settings is None:
            continue
        read = [one for one in stage.inputs if one.when(settings, base)]
        makers = {one.name: _makers(one, there) for one in read}
        if any(not makers[one.name] and not one.optional for one in read):
            continue
        found.append(_bind(stage, settings, read, makers, dict(there), base, allow_unisolated))
        there[stage.name] = stage.trained(settings)
    return found


def _makers(one: Input, there: Mapping[str, Sequence[Checkpoint]]) -> tuple[str, ...]:
    """Which of the stages that are there make an input."""
    if one.made_by == EVERY_STAGE:
        makers = tuple(name for name, checkpoints in there.items() if not one.checkpoint or checkpoints)
        return makers if one.every else makers[-1:]
    makers = tuple(name for name in one.made_by if name in there)
    return makers if one.every else makers[:1]


def _bind(
    stage: Stage[Any],
    settings: Any,
    read: Sequence[Input],
    makers: Mapping[str, tuple[str, ...]],
    there: Mapping[str, Sequence[Checkpoint]],
    base: Path,
    allow_unisolated: bool,
) -> Step:
    def run(folders: Mapping[str, Path], into: Path, progress: Progress) -> dict[str, Any]:
        inputs: dict[str, Path] = {}
        several: dict[str, dict[str, Path]] = {}
        for one in read:
            if one.every:
                several[one.name] = _all(one, makers[one.name], there, folders)
            else:
                for name in makers[one.name]:
                    inputs[one.name] = folders[name] / _inside(one, there[name])
        work = Work(settings, inputs, into, progress, several, base=base, allow_unisolated=allow_unisolated)
        return perform(stage, work)

    names = dict.fromkeys(name for one in read for name in makers[one.name])
    return Step(
        name=stage.name,
        summary=stage.summary,
        inputs=tuple(names),
        settings=stage.told(settings, base),
        modules=(stage.module,),
        run=run,
        outside=lambda: stage.outside(settings, base),
        headline=stage.in_a_line,
        checkpoints=stage.left(settings),
        runs_generated_code=stage.runs_generated_code,
        estimate=lambda volume: stage.estimate(settings, volume),
        beside=stage.beside(settings, base),
        parts=_parts(read, makers),
    )


def _parts(read: Sequence[Input], makers: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """The part of each stage's folder that is read; a stage of which two inputs read different ones is read whole."""
    found: dict[str, set[str]] = {}
    for one in read:
        for name in makers[one.name]:
            found.setdefault(name, set()).add(one.part)
    return {name: parts.pop() for name, parts in found.items() if len(parts) == 1}


def _inside(one: Input, checkpoints: Sequence[Checkpoint]) -> str:
    """Where in its maker's folder an input lies."""
    return checkpoints[-1].folder if one.checkpoint else one.inside


def _all(
    one: Input, makers: Sequence[str], there: Mapping[str, Sequence[Checkpoint]], folders: Mapping[str, Path]
) -> dict[str, Path]:
    """The folders of an input that several stages make: checkpoints by their names, else folders by stage."""
    if not one.checkpoint:
        return {name: folders[name] / one.inside for name in makers}
    return {checkpoint.name: folders[name] / checkpoint.folder for name in makers for checkpoint in there[name]}
