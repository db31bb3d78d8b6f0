"""Stages as commands on folders: who works, bars while they do, and what is told of the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from hornbook import machine
from hornbook.commands.stopping import stoppable
from hornbook.corpus.by_source import kept_by_source, nearly_gone
from hornbook.corpus.grade.agreement import doubts as agreement_doubts
from hornbook.display import plural
from hornbook.model.formats.adapter_config import model_files
from hornbook.progress import ConsoleProgress, Progress
from hornbook.runs import single
from hornbook.runs.single import ChangedCode, Made, Place, Places
from hornbook.runs.stage import Stage
from hornbook.runs.store import Job
from hornbook.settings import Settings
from hornbook.terminal import console, in_markup, printable
from hornbook.workers import runner as runners

_SOURCES = 20  # that are told of one by one

RUNNER = Annotated[
    str | None,
    typer.Option(
        metavar="native|ray", help="[bold]native[/bold]: this machine; [bold]ray[/bold]: the cluster at RAY_ADDRESS."
    ),
]
WORKERS = Annotated[
    int | None,
    typer.Option(min=1, help="Processes of this machine that work on documents at once; one a core unless told."),
]
FORCE = Annotated[bool, typer.Option("--force", help="Replace what lies at --into.")]
CHANGED_CODE = Annotated[
    ChangedCode | None,
    typer.Option("--changed-code", help="What another version of Hornbook made at --into: do it again, or keep it."),
]

# Of a command that does many runs.
RUNS_CHANGED_CODE = Annotated[
    ChangedCode | None, typer.Option("--changed-code", help="What other code made: do it again, or keep it.")
]
RUNS_CHANGED_SETTINGS = Annotated[
    Literal["redo"] | None,
    typer.Option("--changed-settings", help="Do again what other settings or documents made."),
]


def choose_runner(runner: str | None, workers: int | None) -> None:
    """Heed the two options above. Raises UserError for a runner that isn't there."""
    runners.choose(runner, workers or machine.cores())


def run_stage(
    stage: Stage[Any],
    settings: Settings,
    into: Path,
    *,
    force: bool = False,
    changed_code: ChangedCode | None = None,
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
            changed_code=changed_code,
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
    changed_code: ChangedCode | None = None,
    goes_on: bool = True,
) -> Made:
    """Have `work` fill a folder, with bars; see `single.make`. Ctrl-C ends it; then it goes on or starts over."""
    with stoppable(console, goes_on=goes_on):
        shown = ConsoleProgress(console)
        return single.make(
            into, job, work, headline=headline, reads=reads, force=force, changed_code=changed_code, progress=shown
        )


def model_places(folder: Path) -> dict[str, Path]:
    """The folders that a model is read from: its own, and its base's where it is an adapter's."""
    base = model_files(folder)
    return {"model": folder} if base == folder else {"adapter": folder, "base": base}


def tell(made: Made, into: Path, what: str) -> None:
    """Print what was done in a line, what was left out by reason, and where the result lies."""
    if made.before:
        console.print("It is there already, whole.", highlight=False)
    seconds = f"in {made.manifest.seconds:.1f} s"
    told = f"{made.manifest.headline}, {seconds}" if made.manifest.headline else f"Done {seconds}"
    console.plain(told)
    for key, words in (("removed", "removed"), ("lines", "lines taken out"), ("masked", "masked")):
        _tell_counts(made.figures.get(key), words)
    tell_sources(made.figures)
    tell_doubts(made.figures)
    console.plain(f"The {what}: {into}")


def say(text: str) -> None:
    """Print a line as it is."""
    console.plain(text)


def tell_sources(figures: Mapping[str, Any]) -> None:
    """Where anything was dropped: what was kept of each source, the most bereft first."""
    found = sorted(kept_by_source(figures), key=lambda one: (one.share, one.source))
    if all(one.kept == one.read for one in found):
        return
    for one in found[:_SOURCES]:
        say(f"  {printable(one.source) or '(no source)'}: {one.kept:,} of {one.read:,} kept ({_percent(one.share)})")
    if rest := found[_SOURCES:]:
        kept, read = sum(one.kept for one in rest), sum(one.read for one in rest)
        say(f"  {plural(len(rest), 'more source')}: {kept:,} of {read:,} kept")


def _percent(share: float) -> str:
    """100% and 0% only where they are true."""
    return f"{share:.0%}" if share in (0, 1) or 0.01 <= share < 0.995 else f"{share:.2%}"


def tell_doubts(figures: Mapping[str, Any], hint: str = "") -> None:
    """Warn of what in a stage's figures should make one careful. hint: what to do about a source that is lost."""
    for told in doubts(figures, hint):
        console.print(f"[yellow]warning:[/yellow] {in_markup(told)}", highlight=False, soft_wrap=True)


def doubts(figures: Mapping[str, Any], hint: str = "") -> list[str]:
    """The warnings of `tell_doubts`, in sentences."""
    lost = [
        f"{one.source or 'what has no source'} is nearly gone: {one.kept:,} of {one.read:,} documents are kept{hint}"
        for one in nearly_gone(figures)
    ]
    return [*lost, *agreement_doubts(figures)]


def _tell_counts(counts: Any, what: str) -> None:
    """How often each reason was met, the most frequent first."""
    there = sorted(((why, n) for why, n in counts.items() if n), key=lambda one: -one[1]) if counts else []
    if there:
        told = ", ".join(f"{count:,} {reason}" for reason, count in there)
        console.plain(f"  {what}: {told}")
