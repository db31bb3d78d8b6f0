"""`hornbook report`: a run's figures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from hornbook.commands.places import run_folder
from hornbook.commands.stopping import stoppable
from hornbook.display import plural
from hornbook.documents import is_corpus
from hornbook.errors import UserError
from hornbook.evaluate.exam import RESULTS
from hornbook.files import write_text
from hornbook.progress import ConsoleProgress
from hornbook.runs.folders import stage_folders
from hornbook.runs.manifest import CARD
from hornbook.runs.single import Made
from hornbook.terminal import console, in_markup


def report_page(root: Path) -> Path | None:
    """The report card of a run, None where it has none yet."""
    folder = stage_folders(root).get("report")
    return folder / "report.html" if folder is not None and (folder / "report.html").is_file() else None


def report(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN|CORPUS|TRAINING|RESULT",
            help="A run folder, or the name of a run in runs/; a corpus folder; what `sft`, `dpo` or `pretrain` made; "
            "a result of `evaluate --tasks`.",
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print every figure of the page as JSON.")] = False,
    into: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where the page goes: unless told, of a training into it, of a corpus or a result beside it.",
        ),
    ] = None,
) -> None:
    """Show a run's figures: what went in, the score table, where the report card is, or everything as JSON.

    Of a corpus folder it draws a page: sources, languages, scores, lengths, what went and why, and some of its texts;
    of a training its report card, again; of an examination's result one with its scores.
    """
    from hornbook.report.card import training

    if (Path(run) / RESULTS).is_file():
        _examination(Path(run), as_json, into)
        return
    if is_corpus(Path(run)):
        _corpus(Path(run), as_json, into)
        return
    if training(Path(run)) is not None:
        _training(Path(run), as_json, into)
        return
    if into is not None:
        raise UserError("--into is for pages that this command draws; a run has its report card already")
    from hornbook.report.figures import collect
    from hornbook.report.run import Run
    from hornbook.report.terminal import mixture_table, score_table

    root = run_folder(run, ", a corpus, what a training made, or a result of `hornbook evaluate --tasks`")
    figures = collect(root)
    if as_json:
        console.values(figures)
        return
    made = Run.at(root)
    titles = made.titles
    lines = Table.grid(padding=(0, 2, 0, 0))
    for stage, found in made.manifests.items():
        lines.add_row(stage, Text(found.headline), Text(f"{found.seconds:.1f} s", style="dim", justify="right"))
    console.print(lines)
    mixed = mixture_table(figures, titles)
    if mixed is not None:
        console.print(mixed)
    if figures["pass_at_1"]:
        console.print(score_table(figures, titles))
    page = report_page(root)
    console.plain(f"Report card: {page}" if page else "The report stage has not run yet.")


def _training(folder: Path, as_json: bool, into: Path | None) -> None:
    """Draw a training's report card."""
    from hornbook.report.card import gather, page, training

    made = training(folder)
    assert made is not None
    if as_json:
        console.values(gather(folder, made))
        return
    place = _written(page(folder, made), folder, into or folder / CARD)
    console.plain(f"Report card: {place}")


def card(made: Made, base: str | None, samples: int) -> None:
    """Draw the report card of what a command trained, with so many prompts answered by it and by the model `base` that
    it began with, as the user called it. What fails here is told in a line: the trained model lies there, whole.
    """
    from hornbook.model import model_folder
    from hornbook.report.before_after import answer, answered
    from hornbook.report.card import page
    from hornbook.train.prompts import prompts

    folder, stale = made.folder, not made.before
    with stoppable(console):
        with _told("the report card has no samples"):
            wanted, there = min(samples, len(prompts(folder))), answered(folder)
            if base is not None and (not there or len(there["samples"]) < wanted):
                answer(folder, model_folder(base), base, wanted, ConsoleProgress(console))
                stale = True
        with _told("there is no report card"):
            if stale or not (folder / CARD).is_file():
                _written(page(folder, made.manifest), folder, folder / CARD)
            console.plain(f"Report card: {folder / CARD}")


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Around what may fail without harm: why it did, in a line."""
    try:
        yield
    except Exception as error:
        why = str(error).splitlines()[:1] or [type(error).__name__]
        console.print(
            f"[yellow]warning:[/yellow] {in_markup(what)}: {in_markup(why[0])}", highlight=False, soft_wrap=True
        )


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

    beside = folder if folder.name not in ("", "..") else folder.resolve()
    place = into or beside.with_name(f"{beside.name}.html")
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
    console.plain(f"{plural(kept, 'document')} of {plural(len(found['sources']), 'source')}. The page: {place}")
