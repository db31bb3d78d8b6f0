"""Stages as commands on folders: who works, bars while they do, and what is told of the result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from hornbook import machine
from hornbook.commands.stopping import stoppable
from hornbook.progress import ConsoleProgress, Progress
from hornbook.runs import single
from hornbook.runs.single import Made, Place, Places
from hornbook.runs.stage import Stage
from hornbook.runs.store import Job
from hornbook.settings import Settings
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


def choose_runner(runner: str | None, workers: int | None) -> None:
    """Heed the two options above. Raises UserError for a runner that isn't there."""
    runners.choose(runner, workers or machine.cores())


def run_stage(
    stage: Stage[Any],
    settings: Settings,
    into: Path,
    *,
    force: bool = False,
    allow_unisolated: bool = False,
    **inputs: Place | Places,
) -> Made:
    """Do a stage's work on these folders, with bars; see `single.run_stage`. Ctrl-C ends it as in `make`."""
    with stoppable(console):
        return single.run_stage(
            stage,
            into,
            settings,
            force=force,
            allow_unisolated=allow_unisolated,
            progress=ConsoleProgress(console),
            **inputs,
        )


def make(
    into: Path,
    job: Job,
    work: Callable[[Path, Progress], dict[str, Any]],
    *,
    headline: Callable[[dict[str, Any]], str] = lambda figures: "",
    reads: Sequence[Path] = (),
    force: bool = False,
) -> Made:
    """Have `work` fill a folder, with bars; see `single.make`. After Ctrl-C the same command goes on."""
    with stoppable(console):
        shown = ConsoleProgress(console)
        return single.make(into, job, work, headline=headline, reads=reads, force=force, progress=shown)


def tell(made: Made, into: Path, what: str) -> None:
    """Print what was done in a line, what was left out by reason, and where the result lies."""
    if made.before:
        console.print("It is there already, whole.", highlight=False)
    seconds = f"in {made.manifest.seconds:.1f} s"
    told = f"{made.manifest.headline}, {seconds}" if made.manifest.headline else f"Done {seconds}"
    console.print(told, highlight=False, soft_wrap=True, markup=False)
    for key, words in (("removed", "removed"), ("lines", "lines taken out"), ("masked", "masked")):
        _tell_counts(made.figures.get(key), words)
    console.print(f"The {what}: {into}", highlight=False, soft_wrap=True)


def _tell_counts(counts: Any, what: str) -> None:
    """How often each reason was met, the most frequent first."""
    there = sorted(((why, n) for why, n in counts.items() if n), key=lambda one: -one[1]) if counts else []
    if there:
        told = ", ".join(f"{count:,} {reason}" for reason, count in there)
        console.print(f"  {what}: {told}", highlight=False, soft_wrap=True, markup=False)
