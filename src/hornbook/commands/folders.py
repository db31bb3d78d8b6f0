"""Stages as commands on folders: who works, what is read, and a folder that is whole or absent and never made twice."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from hornbook import machine
from hornbook.commands.stopping import stoppable
from hornbook.errors import UserError
from hornbook.files import alone, digest_value
from hornbook.progress import ConsoleProgress, Progress
from hornbook.runs import manifest, store
from hornbook.runs.code import code_digest
from hornbook.runs.manifest import Manifest
from hornbook.runs.stage import Checkpoint, Stage, Work
from hornbook.runs.store import Job
from hornbook.workers import runner as runners

console = Console()

RUNNER = Annotated[
    str | None,
    typer.Option(help="[bold]native[/bold]: this machine; [bold]ray[/bold]: the cluster at RAY_ADDRESS."),
]
WORKERS = Annotated[
    int | None,
    typer.Option(min=1, help="Processes of this machine that work on documents at once; one a core unless told."),
]
FORCE = Annotated[bool, typer.Option("--force", help="Replace what lies at --into.")]


@dataclass(frozen=True)
class Made:
    """A folder that a command made, or found `before`."""

    manifest: Manifest
    before: bool


def choose_runner(runner: str | None, workers: int | None) -> None:
    """Heed the two options above. Raises UserError for a runner that isn't there."""
    runners.choose(runner, workers or machine.cores())


def run_stage(
    stage: Stage[Any],
    settings: Any,
    inputs: Mapping[str, Path],
    into: Path,
    *,
    several: Mapping[str, Mapping[str, Path]] | None = None,
    reads: Sequence[Path] = (),
    force: bool = False,
    allow_unisolated: bool = False,
) -> Made:
    """Do a stage's work on these folders, with bars. `reads`: what else must not be written to."""
    several = several or {}
    folders = [*inputs.values(), *(folder for some in several.values() for folder in some.values())]
    contents = {name: content(folder) for name, folder in inputs.items()}
    contents |= {f"{name}: {one}": content(folder) for name, some in several.items() for one, folder in some.items()}

    def work(into: Path, progress: Progress) -> dict[str, Any]:
        return stage.run(
            Work(settings, inputs, into, progress, several, base=Path(), allow_unisolated=allow_unisolated)
        )

    job = Job(
        stage.name, stage.told(settings, Path()), contents, code_digest(stage.module), stage.outside(settings, Path())
    )
    return make(
        into,
        job,
        work,
        headline=stage.in_a_line,
        checkpoints=stage.checkpoints,
        reads=[*folders, *reads],
        force=force,
    )


def make(
    into: Path,
    job: Job,
    work: Callable[[Path, Progress], dict[str, Any]],
    *,
    headline: Callable[[dict[str, Any]], str] = lambda figures: "",
    checkpoints: Sequence[Checkpoint] = (),
    reads: Sequence[Path] = (),
    force: bool = False,
) -> Made:
    """Have `work` fill a folder; what an interrupted call left is there for the next one.

    Raises UserError where something else lies there (unless `force`d), where the folder is one of those that the work
    `reads`, and where another process makes it. Ctrl-C ends in one line, and the same command goes on.
    """
    _apart(into, reads)
    done = store.done(into, job)
    if done is not None:
        return Made(done, before=True)
    _free(into, job, force)
    progress = ConsoleProgress(console)
    lock = store.partial_of(into.absolute()).with_suffix(".lock")
    busy = f"another `hornbook {job.stage}` (process {{}}) makes {into}; wait for it or name another --into"
    with stoppable(console), alone(lock, busy):
        try:
            made = store.make(
                into.absolute(),
                job,
                lambda folder: work(folder, progress),
                headline=headline,
                checkpoints=checkpoints,
            )
        except UserError:
            if not store.partial_of(into.absolute()).exists():
                lock.unlink()
            raise
        lock.unlink()
    return Made(made, before=False)


def tell(made: Made, into: Path, what: str) -> None:
    """Print what was done in a line, what was left out by reason, and where the result lies."""
    if made.before:
        console.print("It is there already, whole.", highlight=False)
    seconds = f"in {made.manifest.seconds:.1f} s"
    told = f"{made.manifest.headline}, {seconds}" if made.manifest.headline else f"Done {seconds}"
    console.print(told, highlight=False, soft_wrap=True, markup=False)
    for key, words in (("removed", "removed"), ("lines", "lines taken out"), ("masked", "masked")):
        _tell_counts(made.manifest.figures.get(key), words)
    console.print(f"The {what}: {into}", highlight=False, soft_wrap=True)


def _tell_counts(counts: Any, what: str) -> None:
    """How often each reason was met, the most frequent first."""
    there = sorted(((why, n) for why, n in counts.items() if n), key=lambda one: -one[1]) if counts else []
    if there:
        told = ", ".join(f"{count:,} {reason}" for reason, count in there)
        console.print(f"  {what}: {told}", highlight=False, soft_wrap=True, markup=False)


def _apart(into: Path, reads: Sequence[Path]) -> None:
    """Refuse to write over what is read."""
    place = into.resolve()
    for one in (path.resolve() for path in reads):
        if place == one or one in place.parents or place in one.parents:
            raise UserError(f"{into} would be written where {one.name} is read; name another folder with --into")


def _free(into: Path, job: Job, force: bool) -> None:
    """Refuse a place that is taken, or where nothing can be written."""
    found = manifest.read(into)
    if into.exists() and (found is None or found.stage != job.stage):
        raise UserError(
            f"{into} is there already and is no folder of `hornbook {job.stage}`; name another one with --into"
        )
    if into.exists() and not force:
        why = "another version" if store.outdated(into, job) else "other settings, other documents or another version"
        raise UserError(f"{into} holds what {why} made; name another folder with --into, or replace it with --force")
    writable(into)


def writable(into: Path) -> None:
    """Raise UserError where a folder of this name could not be made."""
    try:
        into.absolute().parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{into} can't be written: {error.strerror}") from None
    if not os.access(into.absolute().parent, os.W_OK) or (into.exists() and not into.is_dir()):
        raise UserError(f"{into} can't be written: there is no permission, or a file of that name")


def content(folder: Path) -> str:
    """What a folder holds, as one hash of its files: also of those that were changed after its manifest was written.

    Raises UserError where there is no such folder.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder")
    return digest_value(manifest.outputs(folder))
