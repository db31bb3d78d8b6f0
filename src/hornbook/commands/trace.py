"""`hornbook trace`: where a document came from, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from hornbook.commands.places import run_folder
from hornbook.errors import UserError
from hornbook.runs import manifest
from hornbook.runs.folders import is_run, stage_folders

console = Console()
_REPEATS = 10
_CHARACTERS = 400


def trace(
    identity: Annotated[str, typer.Argument(metavar="ID", help="A document's id, or the beginning of it.")],
    places: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN|CORPUS",
            help="A run, or the corpora of several steps in their order; the only run in runs/ unless told.",
        ),
    ] = None,
) -> None:
    """Show a document's way: its source, every score, why it was kept or dropped, and what it was a copy of."""
    from hornbook.corpus.trace import trace as follow

    found = follow(identity, _stages(places or [str(_only_run())]))
    say(f"[bold]{found.id}[/bold]")
    for step in found.steps:
        mark = "[green]kept[/green]" if step.kept else "[red]dropped[/red]"
        say(f"\n{step.folder.name}  {mark}")
        for name, value in step.columns.items():
            say(f"  {name}: ", end="")
            console.print(str(value)[:_CHARACTERS], markup=False, highlight=False, soft_wrap=True)
        for note in step.notes:
            console.print(f"  {note}", markup=False, highlight=False, soft_wrap=True)
    if found.repeats:
        say(f"\nDropped in its favour: {len(found.repeats)}")
        for row in found.repeats[:_REPEATS]:
            line = f"  {row['id']}  {row['reason']}  {row['source']} {row['path'] or ''}"
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    say("\n[dim]The text begins:[/dim]")
    console.print(found.text[:_CHARACTERS], markup=False, highlight=False, soft_wrap=True)


def _stages(places: Sequence[str]) -> list[Path]:
    """The folders that a document went through: a run's stages, or corpora that were made one by one."""
    folders: list[Path] = []
    for place in places:
        if (Path(place) / manifest.FILE).is_file():
            folders.append(Path(place))
        else:
            folders += stage_folders(run_folder(place)).values()
    return folders


def say(text: str, end: str = "\n") -> None:
    """Print a line of ours."""
    console.print(text, highlight=False, soft_wrap=True, end=end)


def _only_run() -> Path:
    runs = [folder for folder in sorted(Path("runs").glob("*")) if is_run(folder)]
    if len(runs) != 1:
        names = ", ".join(folder.name for folder in runs) or "none"
        raise UserError(f"there are {len(runs)} runs in runs/ ({names}); name one: hornbook trace ID RUN")
    return runs[0]
