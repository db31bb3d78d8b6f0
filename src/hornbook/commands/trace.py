"""`hornbook trace`: where a document came from, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Annotated, Any

import typer
from rich.markup import escape

from hornbook.commands.places import run_folder
from hornbook.errors import UserError
from hornbook.runs import manifest
from hornbook.runs.folders import is_run, stage_folders
from hornbook.terminal import console

_REPEATS = 10
_CHARACTERS = 400
_LONGEST = 100  # characters of a value


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
    """Show a document's way: its source, every score, why it was kept or dropped, and what it was a copy of.

    Of each step it shows what is new, in short.
    """
    from hornbook.corpus.trace import trace as follow

    found = follow(identity, _stages(places or [str(_only_run())]))
    say(f"[bold]{escape(found.id)}[/bold]")
    before: Mapping[str, Any] = {}
    for step in found.steps:
        mark = "[green]kept[/green]" if step.kept else "[red]dropped[/red]"
        say(f"\n{escape(step.folder.name)}  {mark}")
        for name, value in step.columns.items():
            if before.get(name) != value:
                console.plain(f"  {name}: {_in_a_line(value)}")
        before = {**before, **step.columns}
        for note in step.notes:
            for line in wrap(note, _LONGEST, initial_indent="  ", subsequent_indent="    "):
                console.plain(line)
    if found.repeats:
        say(f"\nDropped in its favour: {len(found.repeats)}")
        for row in found.repeats[:_REPEATS]:
            line = f"  {row['id']}  {row['reason']}  {row['source']} {row['path'] or ''}"
            console.plain(line)
    say("\n[dim]The text begins:[/dim]")
    console.plain(found.text[:_CHARACTERS])


def _in_a_line(value: Any) -> str:
    told = " ".join(str(value).split())
    return told if len(told) <= _LONGEST else f"{told[:_LONGEST]}…"


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
