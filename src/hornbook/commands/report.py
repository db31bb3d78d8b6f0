"""`hornbook report`: a run's figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from hornbook.commands.places import run_folder
from hornbook.runs.folders import stage_folders

console = Console()


def report_page(root: Path) -> Path | None:
    """The report card of a run, None where it has none yet."""
    folder = stage_folders(root).get("report")
    return folder / "report.html" if folder is not None and (folder / "report.html").is_file() else None


def report(
    run: Annotated[str, typer.Argument(help="A run folder, or the name of a run in runs/.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print every figure of the page as JSON.")] = False,
) -> None:
    """Show a run's figures: what went in, the score table, where the report card is, or everything as JSON."""
    from hornbook.report.figures import collect
    from hornbook.report.run import Run
    from hornbook.report.terminal import mixture_table, score_table

    root = run_folder(run)
    figures = collect(root)
    if as_json:
        print(json.dumps(figures, indent=2, ensure_ascii=False))
        return
    made = Run.at(root)
    titles = made.titles
    for stage, found in made.manifests.items():
        console.print(f"{stage:<9} {escape(found.headline)}  [dim]{found.seconds:.1f} s[/dim]", highlight=False)
    mixed = mixture_table(figures, titles)
    if mixed is not None:
        console.print(mixed)
    if figures["pass_at_1"]:
        console.print(score_table(figures, titles))
    page = report_page(root)
    console.print(
        f"Report card: {page}" if page else "The report stage has not run yet.", highlight=False, soft_wrap=True
    )
