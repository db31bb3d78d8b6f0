"""`hornbook verify`: whether a run is still what was written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hornbook.commands.places import run_folder
from hornbook.display import plural
from hornbook.terminal import console

_MOST = 5  # faults of a stage, and files that are not ours, that are named


def verify(
    run: Annotated[
        str, typer.Argument(metavar="RUN|FOLDER", help="A run, or the name of one in runs/; or any folder of a stage.")
    ],
) -> None:
    """Read every file of a run and compare it with the manifests; exit code 1 where one bit is another."""
    from hornbook.runs.verify import verify as check

    root = Path(run) if Path(run).is_dir() else run_folder(run)
    faults = 0
    for found in check(root):
        faults += len(found.wrong)
        mark = "[red]✗[/red]" if found.wrong else "[green]✓[/green]"
        console.print(mark, end=" ")
        state = "" if found.stage is not None else ", begun and not finished"
        told = f"{found.folder.name}: {plural(found.files, 'file')}, {found.size / 1e6:,.1f} MB{state}"
        console.plain(told)
        for fault in found.wrong[:_MOST]:
            console.plain(f"    {fault}")
        if len(found.wrong) > _MOST:
            console.plain(f"    and {len(found.wrong) - _MOST:,} more")
        if found.others:
            more = ", ..." if len(found.others) > _MOST else ""
            console.plain(f"    not Hornbook's: {', '.join(found.others[:_MOST])}{more}")
    if faults:
        console.plain(
            "A damaged stage is made again before another reads it, and at once with `hornbook run ... --force STAGE`."
        )
        raise typer.Exit(1)
    console.plain("Everything is as it was written.")
