"""`hornbook run` and `recipes`: from raw text to a model."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Literal

import typer
from rich.markup import escape

from hornbook import machine
from hornbook.commands.consent import UNSAFE, consent
from hornbook.commands.folders import RUNNER, WORKERS, choose_runner, tell_doubts
from hornbook.commands.places import A_RECIPE
from hornbook.commands.report import report_page
from hornbook.commands.stopping import stoppable
from hornbook.display import FigureTable
from hornbook.errors import UserError
from hornbook.progress import ConsoleProgress
from hornbook.recipe import Recipe, available, base_of, described, load, locate, text_of
from hornbook.runs import run as runs
from hornbook.runs.changes import State, discarded, in_words, outdated, state
from hornbook.runs.folders import final_model
from hornbook.runs.run import Result
from hornbook.runs.steps import Step
from hornbook.terminal import console

Changed = Literal["ask", "redo", "keep"]
ChangedSettings = Literal["ask", "redo"]


def run(  # noqa: PLR0913 (one for each option)
    recipe: A_RECIPE,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Settings to change, such as pretrain.phase2.tokens=1M."),
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
    smoke: Annotated[
        bool,
        typer.Option(
            "--smoke",
            help="Try it in under a minute: every stage and setting, sizes cut, no network; into runs/smoke/RECIPE.",
        ),
    ] = False,
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
    changed_settings: Annotated[
        ChangedSettings,
        typer.Option(
            "--changed-settings",
            help="What to do with finished and begun stages that other settings or documents made: [bold]ask[/bold], "
            "or [bold]redo[/bold] them.",
        ),
    ] = "ask",
    reuse: Annotated[
        bool, typer.Option(help="Take stages that lie equal in another run beside this one from there.")
    ] = True,
    without_isolation: UNSAFE = False,
) -> None:
    """Run a recipe from raw text to a model. What is done is skipped; what was interrupted goes on where it was."""
    name, path = locate(recipe)
    settings = load(path, overrides or [])
    reuse = reuse and not machine.overruled()
    choose_runner(runner, workers)
    kept, usual = runs.is_kept(path) and not smoke, Path("runs/smoke" if smoke else "runs") / name
    root = into or (path.parent if kept else usual)
    base = base_of(path, settings)
    with TemporaryDirectory() as aside:  # a dry run leaves nothing behind
        if smoke:
            from hornbook.planning.smoke import smoke as cut_for_smoke

            settings, told = cut_for_smoke(settings, base, Path(aside) if dry_run else root / "stand-ins")
            console.print(escape(told), highlight=False, soft_wrap=True)
        steps = settings.steps(base)
        chosen = runs.up_to(steps, until)
        again = [runs.up_to(steps, one)[-1].name for one in force or []]
        if dry_run:
            _show_plan(steps, chosen, again, settings, base, root, reuse=reuse)
            return
    found = state(chosen, root, reuse=reuse)
    keep = keep_outdated(found, chosen, root, changed_code)
    agree_to_changes(found, root, again, changed_settings)
    there = found.done.keys() | found.elsewhere.keys() | (found.outdated.keys() if keep else set())
    undone = [step for step in chosen if step.name not in there or step.name in again]
    if force or any(step.runs_generated_code for step in undone):
        steps = settings.steps(base, allow_unisolated=consent(without_isolation))
    _run(steps, name, root, until, again, keep, reuse=reuse, recipe=text_of(settings, base, root))


def agree_to_changes(found: State, root: Path, force: Sequence[str], wish: ChangedSettings) -> None:
    """See that no work is thrown away unasked because settings or documents are others than those it was done with.

    What is to be done again by `force` needs no other word. Raises UserError where there is no terminal to ask on.
    """
    told = discarded(found, root, force)
    if told is None or wish == "redo":
        return
    if not sys.stdin.isatty():
        raise UserError(f"{told}: add --changed-settings redo, or name another folder with --into")
    console.print(escape(f"{told[0].upper()}{told[1:]}."), highlight=False, soft_wrap=True)
    if not typer.confirm("Make it again?"):
        raise typer.Exit(1)


def keep_outdated(found: State, steps: Sequence[Step], root: Path, wish: Changed) -> bool:
    """Whether finished work counts that other code made. Asks where there is any and the user has not said."""
    told = outdated(found, steps, root)
    if told is None or wish != "ask":
        return wish == "keep"
    if not sys.stdin.isatty():
        raise UserError(f"{told}: add --changed-code redo, or --changed-code keep to go on with what is there")
    console.print(escape(f"{told[0].upper()}{told[1:]}."), highlight=False, soft_wrap=True)
    return not typer.confirm("Make it again? (n: go on with what is there)")


def _run(
    steps: list[Step],
    name: str,
    root: Path,
    until: str | None,
    force: list[str],
    keep: bool,
    *,
    reuse: bool,
    recipe: str,
) -> None:
    from hornbook.report.figures import collect
    from hornbook.report.run import Run
    from hornbook.report.terminal import score_table

    began = time.monotonic()
    console.print(f"[bold]{escape(name)}[/bold] → {escape(str(root))}", highlight=False)

    def announce(result: Result) -> None:
        mark = "[dim]✓[/dim]" if result.skipped else "[green]✓[/green]"
        seconds = "[dim]done before[/dim]" if result.skipped else f"[dim]{result.manifest.seconds:.1f} s[/dim]"
        if result.taken is not None:
            seconds = f"[dim]as in {escape(str(result.taken.parent.name))}[/dim]"
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
            reuse=reuse,
            recipe=recipe,
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
        console.print(f"Report card: {escape(str(page))}", highlight=False, soft_wrap=True)
    if final_model(root) is not None:
        chats = any(result.step.name == "sft" for result in results)
        words, command = (
            ("Chat with it", f"chat {shlex.quote(str(root))}")
            if chats
            else ("Go on from a text", f"generate {shlex.quote(str(root))} 'TEXT'")
        )
        console.print(
            f"{escape(words)}: [bold]{escape(f'{_program()} {command}')}[/bold]", highlight=False, soft_wrap=True
        )


def _program() -> str:
    """How the user called us, as they would type it again."""
    called = Path(sys.argv[0])
    if called.name != "hornbook":
        return "hornbook"
    try:
        return str(called.absolute().relative_to(Path.cwd()))
    except ValueError:
        return "hornbook"


def _show_plan(
    steps: Sequence[Step],
    chosen: Sequence[Step],
    again: Sequence[str],
    recipe: Recipe,
    base: Path,
    root: Path,
    *,
    reuse: bool,
) -> None:
    """The stages, their inputs and sizes, whether they are done, and the time they would take; `again` those that are
    to be done whatever lies there.
    """
    from hornbook.planning.efforts import efforts
    from hornbook.runs.effort import in_range, measure_rates

    table = FigureTable(title=escape(f"{root}: what would run"), title_justify="left")
    for column in ("stage", "what it does", "reads", "size", "expected"):
        table.add_column(column, justify="right" if column == "expected" else "left")
    rates, found = measure_rates(), efforts(recipe, base)
    total: list[tuple[float, float]] = [(0.0, 0.0)]
    there = state(chosen, root, reuse=reuse)
    for step in chosen:
        seconds = rates.seconds(found[step.name])
        expected = in_range(*seconds)
        if step.name in again or step.name not in (*there.done, *there.elsewhere):
            total.append(seconds)
            if step.name in there.outdated:
                expected = f"{expected} (done by other code)"
        else:
            done = step.name not in there.elsewhere
            expected = "done" if done else f"as in {escape(there.elsewhere[step.name].parent.name)}"
        folder = runs.folder_of(steps, step.name, root)
        table.add_row(folder.name, step.summary, ", ".join(step.inputs) or "sources", found[step.name].size, expected)
    console.print(table)
    least, most = (sum(part) for part in zip(*total, strict=True))
    told = f"{in_range(least, most)} in all on this machine, as busy as it is at this moment" if most else "All is done"
    console.plain(f"{told}. Nothing was run.")


def recipes() -> None:
    """List the recipes that come with Hornbook."""
    table = FigureTable(box=None, pad_edge=False)
    table.add_column("recipe", style="bold")
    table.add_column("what it makes")
    for name, path in available().items():
        table.add_row(name, described(path))
    console.print(table)
