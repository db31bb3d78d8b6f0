"""`hornbook report`: a run's figures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from hornbook.commands.places import run_folder
from hornbook.errors import UserError
from hornbook.evaluate.exam import RESULTS
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
        typer.Argument(
            metavar="RUN|CORPUS|RESULT",
            help="A run folder, or the name of a run in runs/; a corpus folder; a result of `evaluate --tasks`.",
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print every figure of the page as JSON.")] = False,
    into: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Where the page of a corpus or a result goes; FOLDER.html beside it unless told."
        ),
    ] = None,
) -> None:
    """Show a run's figures: what went in, the score table, where the report card is, or everything as JSON.

    Of a corpus folder it draws a page: sources, languages, scores, lengths, what went and why, and some of its texts;
    of an examination's result one with its scores.
    """
    if (Path(run) / RESULTS).is_file():
        _examination(Path(run), as_json, into)
        return
    if (Path(run) / "documents").is_dir():
        _corpus(Path(run), as_json, into)
        return
    if into is not None:
        raise UserError("--into is for the page of a corpus or an examination; a run has its report card already")
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


def _examination(folder: Path, as_json: bool, into: Path | None) -> None:
    """Draw the page of an examination."""
    from hornbook.evaluate.exam.compare import results
    from hornbook.report.exam import page

    figures = results(folder)
    if as_json:
        console.values(figures)
        return
    console.plain(f"The page: {_written(page(figures), folder, into)}")


def _written(text: str, folder: Path, into: Path | None) -> Path:
    """Write the page of a folder; what lies at its place and is no page of ours stays."""
    from hornbook.report.corpus import MARK

    place = into or folder.resolve().with_name(f"{folder.resolve().name}.html")
    if place.is_dir() or (place.exists() and MARK not in place.read_bytes()[:4_000]):
        raise UserError(f"{place} is there already and is no page of Hornbook's; name another file with --into")
    write_text(place, text)
    return place


def _corpus(folder: Path, as_json: bool, into: Path | None) -> None:
    """Draw a corpus's page."""
    from hornbook.report.corpus import gather, page

    found = gather(folder)
    if as_json:
        console.values(found)
        return
    place = _written(page(folder.resolve().name, found), folder, into)
    kept = sum(counts["documents"] for counts in found["sources"].values())
    console.plain(f"{kept:,} documents of {len(found['sources']):,} sources. The page: {place}")
