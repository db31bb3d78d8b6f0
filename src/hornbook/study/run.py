"""A study's runs, one after the other or several at once: what is done is skipped, what is equal is made once."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import chdir, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from rich.markup import escape

from hornbook import machine
from hornbook.display import plural
from hornbook.errors import UserError
from hornbook.files import alone, made_once, sweep_beside, write_json, write_text
from hornbook.progress import Progress
from hornbook.report.wording import duration
from hornbook.runs import run as runs
from hornbook.runs.changes import discarded, outdated, state
from hornbook.runs.code import code_digest
from hornbook.runs.manifest import FIGURES as TRAINED
from hornbook.runs.run import Result
from hornbook.runs.single import ChangedCode
from hornbook.runs.steps import Step
from hornbook.study.compare import compared
from hornbook.study.figures import Figure, figures_of, measured, write_figures
from hornbook.study.page import page
from hornbook.study.settings import Run, Study, locate_study, read_study, runs_of
from hornbook.workers import runner
from hornbook.workers.work import in_processes, on_cluster

RUNS, PAGE, FIGURES, RESULT = "runs", "study.html", "figures.parquet", "study.json"


@dataclass(frozen=True)
class Ended:
    """How a run came out: its figures by checkpoint and measure, or the one line of why it failed."""

    run: str
    figures: tuple[Figure, ...] = ()
    mistake: str | None = None
    made: int = 0  # stages that were done for it: neither before nor in another run
    seconds: float = 0.0  # they took
    training: Mapping[str, float] = field(default_factory=dict)  # seconds of each stage that trains, whoever made it


@dataclass(frozen=True)
class _Job:
    """What a process needs to know of a run."""

    run: Run
    root: Path
    study: Study
    keep_outdated: bool
    allow_unisolated: bool


def run_study(  # noqa: PLR0913 (one for each wish)
    study: Study | str | Path,
    into: Path | str,
    *,
    runs_in: Path | None = None,
    workers: int = 1,
    base: Path | None = None,
    progress: Progress | None = None,
    allow_unisolated: bool = False,
    changed_code: ChangedCode | None = None,
    changed_settings: Literal["redo"] | None = None,
) -> dict[str, Any]:
    """Run a study into the folder `into` and compare its arms; what is done is skipped. Returns what `study.json` has.

    study: its name, its file, or one that was made in Python, whose recipe's path is then seen from `base`.
    runs_in: where its runs lie, beside those of other studies with which it shares stages; `into/runs` unless told.
    workers: runs that are done at once, in processes of their own; on a cluster, where `runner.choose` chose one, on
    each of its machines. A run that fails is told of; the others go on.
    For the last three see `run_recipe`. Raises UserError for a mistake in the study or in the recipe of an arm, and
    where finished or begun work would be made again that neither of the two names.
    """
    if isinstance(study, Study):
        chosen, folder = study, base or Path.cwd()
    else:
        path = locate_study(str(study))
        chosen, folder = read_study(path), path.parent
    root, shown = Path(into), progress or Progress()
    place = runs_in or root / RUNS
    todo = runs_of(chosen, folder)
    _ask(chosen, todo, place, changed_code, changed_settings)
    root.mkdir(parents=True, exist_ok=True)
    with alone(root / runs.LOCK, f"another study (process {{}}) works in {root}; wait for it or use --into"):
        for one in todo:  # so that every run knows of all the others
            (place / one.name).mkdir(parents=True, exist_ok=True)
        jobs = [_Job(one, place / one.name, chosen, changed_code == "keep", allow_unisolated) for one in todo]
        alone_here = workers == 1 and runner.chosen() == "native"
        ended = _in_order(jobs, shown) if alone_here else _at_once(jobs, workers, shown)
        return _told(chosen, todo, ended, root, place)


def steps_of(study: Study, run: Run, *, allow_unisolated: bool = False) -> tuple[list[Step], Sequence[Step]]:
    """A run's stages, and those of them that the study runs: up to `until`, where the arm has it."""
    steps = run.recipe.steps(run.base, allow_unisolated=allow_unisolated)
    there = any(step.name == study.until for step in steps)
    return steps, runs.up_to(steps, study.until if there else None)


def _ask(
    study: Study, todo: Sequence[Run], runs_in: Path, changed_code: ChangedCode | None, changed_settings: str | None
) -> None:
    """See that no work is thrown away unasked, in any of the runs."""
    for one in todo:
        place = runs_in / one.name
        if not place.is_dir():
            continue
        _, steps = steps_of(study, one)
        found = state(steps, place)
        if changed_code is None and (told := outdated(found, steps, place)):
            raise UserError(f"{told}: add --changed-code redo, or --changed-code keep to go on with what is there")
        if changed_settings is None and (told := discarded(found, place)):
            raise UserError(f"{told}: add --changed-settings redo, or name another folder with --into")


def _in_order(jobs: Sequence[_Job], progress: Progress) -> list[Ended]:
    ended = []
    for number, job in enumerate(jobs, 1):
        progress.say(f"[bold]{escape(job.run.name)}[/bold] ({number:d} of {len(jobs)})")
        one = _attempt(job, progress, lambda result: _announce(result, progress))
        ended.append(one)
        if one.mistake is not None:
            progress.say(escape(_line(one)))
    return ended


def _announce(result: Result, progress: Progress) -> None:
    if not result.skipped:
        told = f"  ✓ {result.step.name:<9} {result.manifest.headline}  {duration(result.manifest.seconds)}"
        progress.say(escape(told))
    elif result.taken is not None:
        progress.say(escape(f"  ✓ {result.step.name:<9} as in {result.taken.parent.name}"))


def _line(one: Ended) -> str:
    if one.mistake is not None:
        return f"  ✗ {one.run} failed: {one.mistake}"
    if not one.made:
        return f"  ✓ {one.run}: nothing was left to do"
    return f"  ✓ {one.run}: {plural(one.made, 'stage')} of its own in {duration(one.seconds)}"


def _at_once(jobs: Sequence[_Job], workers: int, progress: Progress) -> list[Ended]:
    """Several runs at a time; what two of them would make is made by one, and the other waits and takes it."""
    calls = [partial(_elsewhere, job, Path.cwd()) for job in jobs]
    if runner.chosen() == "ray":
        ending = on_cluster(calls, workers)
    else:
        ending = in_processes(calls, min(workers, len(jobs)), max(1, machine.cores() // workers))
    found: dict[int, Ended] = {}
    with progress.task("runs", total=len(jobs)) as task, closing(ending) as ended:
        for number, one in ended:
            found[number] = one
            progress.say(escape(_line(one)))
            task.advance()
    return [found[number] for number in range(len(jobs))]


def _elsewhere(job: _Job, place: Path) -> Ended:
    runner.choose("native", int(os.environ.get("OMP_NUM_THREADS", "1")))  # what this process was given
    with chdir(place):
        return _attempt(job, Progress(), lambda result: None)


def _attempt(job: _Job, progress: Progress, announce: Callable[[Result], None]) -> Ended:
    """Do a run and measure it; a mistake that a user can mend ends this run only."""
    try:
        return _run(job, progress, announce)
    except UserError as error:
        return Ended(job.run.name, mistake=str(error))


def _run(job: _Job, progress: Progress, announce: Callable[[Result], None]) -> Ended:
    steps, chosen = steps_of(job.study, job.run, allow_unisolated=job.allow_unisolated)
    results = runs.run(
        steps,
        job.root,
        until=chosen[-1].name,
        progress=progress,
        announce=announce,
        keep_outdated=job.keep_outdated,
        reuse=True,
        turns=job.root.parent,
    )
    made = [result for result in results if not result.skipped]
    key = [code_digest("hornbook.study.figures"), *(result.manifest.content for result in results)]
    # Beside the run and not in it: a run's folder holds stages only.
    place = job.root.parent / f"{job.run.name}.json"
    only = job.study.checkpoints
    key.append(",".join(only))
    measure = partial(measured, job.root, results, only, allow_unisolated=job.allow_unisolated)
    told = made_once(place, "".join(key), measure)
    found = figures_of(job.run.arm, job.run.seed, told)
    seconds = sum(result.manifest.seconds for result in made)
    training = {result.step.name: result.manifest.seconds for result in results if (result.folder / TRAINED).is_file()}
    return Ended(job.run.name, tuple(found), None, len(made), seconds, training)


def _told(study: Study, todo: Sequence[Run], ended: Sequence[Ended], root: Path, runs_in: Path) -> dict[str, Any]:
    """Compare, and write all that comes of a study."""
    found = [figure for one in ended for figure in one.figures]
    titles = {one.checkpoint: one.title for one in found}
    place = Path(os.path.relpath(runs_in.resolve(), root.resolve())).as_posix()
    result: dict[str, Any] = {
        "study": study.model_dump(mode="json"),
        "runs": [
            {
                "arm": run.arm,
                "seed": run.seed,
                "folder": f"{place}/{run.name}",
                "failed": one.mistake,
                "training": one.training,
            }
            for run, one in zip(todo, ended, strict=True)
        ],
        "titles": titles,
        "comparisons": compared(study, found),
        "machine": machine.describe(),
    }
    for name in (FIGURES, PAGE, RESULT):
        sweep_beside(root / name)
    write_figures(root / FIGURES, found)
    write_text(root / PAGE, page(study, result))
    write_json(root / RESULT, result)
    return result
