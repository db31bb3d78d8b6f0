"""`hornbook report`: a run's figures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from hornbook.commands.places import run_folder
from hornbook.errors import UserError
from hornbook.files import write_text
from hornbook.runs.folders import stage_folders
from hornbook.terminal import console


def report_page(root: Path) -> Path | None:
    """The report card of a run, None where it has none yet."""
    folder = stage_folders(root).get("report")
    return folder / "report.html" if folder is not None and (folder / "report.html").is_file() else None


def report(
    run: Annotated[
        str,
        typer.Argument(metavar="RUN|CORPUS", help="A run folder, or the name of a run in runs/; or a corpus folder."),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print every figure of the page as JSON.")] = False,
    into: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where a corpus's page goes; CORPUS.html beside it unless told."),
    ] = None,
) -> None:
    """Show a run's figures: what went in, the score table, where the report card is, or everything as JSON.

    Of a corpus folder it draws a page: sources, languages, scores, lengths, what went and why, and some of its texts.
    """
    if (Path(run) / "documents").is_dir():
        _corpus(Path(run), as_json, into)
        return
    if into is not None:
        raise UserError("--into is for the page of a corpus; a run has its report card already")
    from hornbook.report.figures import collect
    from hornbook.report.run import Run
    from hornbook.report.terminal import mixture_table, score_table

    root = run_folder(run)
    figures = collect(root)
    if as_json:
        console.values(figures)
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
    console.plain(f"Report card: {page}" if page else "The report stage has not run yet.")


def _corpus(folder: Path, as_json: bool, into: Path | None) -> None:
    """Draw a corpus's page. What lies at `into` and is no page of ours stays."""
    from hornbook.report.corpus import MARK, gather, page

    found = gather(folder)
    if as_json:
        console.values(found)
        return
    name = folder.resolve().name
    place = into or folder.resolve().with_name(f"{name}.html")
    if place.is_dir() or (place.exists() and MARK not in place.read_bytes()[:4_000]):
        raise UserError(f"{place} is there already and is no page of Hornbook's; name another file with --into")
    write_text(place, page(name, found))
    kept = sum(counts["documents"] for counts in found["sources"].values())
    console.plain(f"{kept:,} documents of {len(found['sources']):,} sources. The page: {place}")
