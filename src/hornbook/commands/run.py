"""`hornbook run` and `recipes`: from raw text to a model."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape

from hornbook.commands.consent import UNSAFE, consent
from hornbook.commands.folders import RUNNER, WORKERS, choose_runner, tell_doubts
from hornbook.commands.report import report_page
from hornbook.commands.stopping import stoppable
from hornbook.display import FigureTable
from hornbook.errors import UserError
from hornbook.progress import ConsoleProgress
from hornbook.recipe import Recipe, available, base_of, load, locate
from hornbook.runs import run as runs
from hornbook.runs.folders import final_model
from hornbook.runs.run import Result, State
from hornbook.runs.steps import Step

console = Console()

Changed = Literal["ask", "redo", "keep"]


def run(  # noqa: PLR0913 (one for each option)
    recipe: Annotated[str, typer.Argument(help="A recipe's name (see `hornbook recipes`) or a .toml file.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Settings to change, such as pretrain.phase2.tokens=1e6."),
    ] = None,
    *,
    until: Annotated[str | None, typer.Option(metavar="STAGE", help="Stop after this stage.")] = None,
    force: Annotated[
        list[str] | None, typer.Option(metavar="STAGE", help="Do this stage again; can be repeated.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the stages and what they would take, do nothing.")
    ] = False,
    into: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where the run goes; runs/RECIPE unless told.")
    ] = None,
    runner: RUNNER = None,
    workers: WORKERS = None,
    changed_code: Annotated[
        Changed,
        typer.Option(
            "--changed-code",
            help="What to do with finished stages that other code made: [bold]ask[/bold], [bold]redo[/bold] or "
            "[bold]keep[/bold] them.",
        ),
    ] = "ask",
    without_isolation: UNSAFE = False,
) -> None:
    """Run a recipe from raw text to a model. What is done is skipped; what was interrupted goes on where it was."""
    name, path = locate(recipe)
    settings = load(path, overrides or [])
    choose_runner(runner, workers)
    root = into or Path("runs") / name
    steps = settings.steps(base_of(path))
    if dry_run:
        _show_plan(steps, settings, base_of(path), root, until)
        return
    chosen = runs.up_to(steps, until)
    found = runs.state(chosen, root)
    keep = keep_outdated(found, chosen, root, changed_code)
    there = found.done.keys() | (found.outdated.keys() if keep else set())
    undone = [step for step in chosen if step.name not in there or step.name in (force or [])]
    if force or any(step.runs_generated_code for step in undone):
        steps = settings.steps(base_of(path), allow_unisolated=consent(without_isolation))
    _run(steps, name, root, until, force or [], keep)


def keep_outdated(found: State, steps: Sequence[Step], root: Path, wish: Changed) -> bool:
    """Whether finished work counts that other code made. Asks where there is any and the user has not said."""
    outdated = [step.name for step in steps if step.name in found.outdated or step.name in found.begun]
    if not outdated or wish != "ask":
        return wish == "keep"
    first = [step.name for step in steps].index(outdated[0])
    redone = [step.name for step in steps[first:] if step.name not in found.done]
    seconds = sum(one.seconds for one in found.outdated.values())
    told = (
        f"the code of {', '.join(outdated)} has changed since {root} was made; with it "
        f"{', '.join(redone)} would be made again ({in_words(seconds)} of finished work)"
    )
    if not sys.stdin.isatty():
        raise UserError(f"{told}: add --changed-code redo, or --changed-code keep to go on with what is there")
    console.print(f"{told[0].upper()}{told[1:]}.", highlight=False, soft_wrap=True)
    return not typer.confirm("Make it again? (n: go on with what is there)")


def _run(steps: list[Step], name: str, root: Path, until: str | None, force: list[str], keep: bool) -> None:
    from hornbook.report.figures import collect
    from hornbook.report.run import Run
    from hornbook.report.terminal import score_table

    began = time.monotonic()
    console.print(f"[bold]{name}[/bold] → {root}", highlight=False)

    def announce(result: Result) -> None:
        mark = "[dim]✓[/dim]" if result.skipped else "[green]✓[/green]"
        seconds = "[dim]done before[/dim]" if result.skipped else f"[dim]{result.manifest.seconds:.1f} s[/dim]"
        told = escape(result.manifest.headline)
        console.print(f"{mark} {result.folder.name:<12} {told}  {seconds}", highlight=False)
        if not result.skipped:
            tell_doubts(result.manifest.figures)

    with stoppable(console):
        results = runs.run(
            steps,
            root,
            until=until,
            force=force,
            progress=ConsoleProgress(console),
            announce=announce,
            keep_outdated=keep,
        )
    if all(result.skipped for result in results):
        console.print(f"Everything is done already ({time.monotonic() - began:.1f} s).", highlight=False)
    else:
        console.print(f"Done in {in_words(time.monotonic() - began)}.", highlight=False)
    figures = collect(root)
    if figures["pass_at_1"]:
        console.print(score_table(figures, Run.at(root).titles))
    page = report_page(root)
    if page is not None:
        console.print(f"Report card: {page}", highlight=False, soft_wrap=True)
    if final_model(root) is not None:
        chats = any(result.step.name == "sft" for result in results)
        words, command = ("Chat with it", f"chat {root}") if chats else ("Go on from a text", f"generate {root} 'TEXT'")
        console.print(f"{words}: [bold]{_program()} {command}[/bold]", highlight=False, soft_wrap=True)


def _program() -> str:
    """How the user called us, as they would type it again."""
    called = Path(sys.argv[0])
    if called.name != "hornbook":
        return "hornbook"
    try:
        return str(called.absolute().relative_to(Path.cwd()))
    except ValueError:
        return "hornbook"


def in_words(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 36_000:
        return f"{int(seconds // 60)} min {int(seconds % 60):02d} s"
    return f"{seconds / 3600:,.0f} h" if seconds < 360_000 else f"{seconds / 86_400:,.0f} days"


def _show_plan(steps: Sequence[Step], recipe: Recipe, base: Path, root: Path, until: str | None) -> None:
    """The stages, their inputs and sizes, whether they are done, and the time they would take."""
    from hornbook.planning.efforts import efforts
    from hornbook.runs.effort import matrix_rate

    table = FigureTable(title=f"{root}: what would run", title_justify="left")
    for column in ("stage", "what it does", "reads", "size", "expected"):
        table.add_column(column, justify="right" if column == "expected" else "left")
    total, rate, found = 0.0, matrix_rate(), efforts(recipe, base)
    chosen = runs.up_to(steps, until)
    there = runs.state(chosen, root)
    for step in chosen:
        seconds = found[step.name].seconds(rate)
        expected = "done" if step.name in there.done else in_words(seconds)
        if step.name in there.outdated:
            expected = f"{expected} (done by other code)"
        total += 0 if step.name in there.done else seconds
        folder = runs.folder_of(steps, step.name, root)
        table.add_row(folder.name, step.summary, ", ".join(step.inputs) or "sources", found[step.name].size, expected)
    console.print(table)
    console.print(f"About {in_words(total)} in all on this machine. Nothing was run.", highlight=False)


def recipes() -> None:
    """List the recipes that come with Hornbook."""
    table = FigureTable(box=None, pad_edge=False)
    table.add_column("recipe", style="bold")
    table.add_column("what it makes")
    for name, path in available().items():
        table.add_row(name, load(path).description)
    console.print(table)
