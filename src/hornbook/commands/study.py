"""`hornbook study`: a recipe in several arms and seeds, and whether what differs is more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from hornbook.commands.consent import UNSAFE, consent
from hornbook.commands.folders import RUNNER, RUNS_CHANGED_CODE, RUNS_CHANGED_SETTINGS, choose_runner
from hornbook.commands.stopping import stoppable
from hornbook.display import FigureTable, plural
from hornbook.progress import ConsoleProgress
from hornbook.terminal import console

if TYPE_CHECKING:
    from hornbook.study.settings import Run, Study


def study(  # noqa: PLR0913 (one for each option)
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="STUDY", help="A study's name or a .toml file; without one, those there are are listed."
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="What to change: seeds=[1], or a setting of the recipe, in all arms."),
    ] = None,
    *,
    into: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where the study goes; studies/STUDY unless told.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the runs, what they share and what they would take, do nothing.")
    ] = False,
    runner: RUNNER = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Runs that a machine does at once, in processes of their own.")
    ] = 1,
    changed_code: RUNS_CHANGED_CODE = None,
    changed_settings: RUNS_CHANGED_SETTINGS = None,
    without_isolation: UNSAFE = False,
) -> None:
    """Run a recipe in several arms and seeds, and tell which arms are better, worse, or not to be told apart.

    What is done is skipped; stages that are equal in several runs are done once.
    """
    from hornbook.study.run import PAGE, run_study
    from hornbook.study.settings import locate_study, read_study, runs_of

    if name is None:
        _list()
        return
    path = locate_study(name)
    chosen = read_study(path, overrides or [])
    todo = runs_of(chosen, path.parent)
    root = into or Path("studies") / path.stem
    if dry_run:
        _show_plan(chosen, todo, root)
        return
    choose_runner(runner, None)
    unisolated = consent(without_isolation)
    console.print(
        f"[bold]{escape(chosen.name)}[/bold] → {escape(str(root))}: {plural(len(todo), 'run')}", highlight=False
    )
    with stoppable(console):
        result = run_study(
            chosen,
            root,
            workers=workers,
            base=path.parent,
            progress=ConsoleProgress(console),
            allow_unisolated=unisolated,
            changed_code=changed_code,
            changed_settings=changed_settings,
        )
    _tell(result)
    console.plain(f"The page: {root / PAGE}")
    if any(one["failed"] is not None for one in result["runs"]):
        raise typer.Exit(1)


def _list() -> None:
    from hornbook.study.settings import available, read_study

    table = FigureTable(box=None, pad_edge=False)
    table.add_column("study", style="bold")
    table.add_column("what it asks")
    table.add_column("runs", justify="right")
    for name, path in available().items():
        found = read_study(path)
        table.add_row(name, escape(found.description), str(len(found.arms) * len(found.seeds)))
    console.print(table)


def _tell(result: dict[str, Any]) -> None:
    """Each comparison in a sentence."""
    from hornbook.study.measures import title_of

    for one in result["comparisons"]:
        title = f"{title_of(one['measure'])}, after {result['titles'][one['checkpoint']]}"
        console.print(f"[bold]{escape(title)}[/bold]", highlight=False, soft_wrap=True)
        for arm in one["arms"]:
            console.plain(f"  {arm['sentence']}")
    for one in result["runs"]:
        if one["failed"] is not None:
            console.plain(f"{one['arm']} with seed {one['seed']} failed: {one['failed']}")


def _show_plan(chosen: Study, todo: Sequence[Run], root: Path) -> None:
    """The runs, which stages each makes and which it takes, and how long it all takes."""
    from hornbook import machine
    from hornbook.planning.plan import CORE_PRICE
    from hornbook.planning.table import dollars
    from hornbook.runs.effort import in_range, measure_rates
    from hornbook.study.plan import plan

    table = FigureTable(title=escape(f"{root}: what would run"), title_justify="left")
    for column in ("run", "makes", "takes from others", "expected"):
        table.add_column(column, justify="right" if column == "expected" else "left")
    rates = measure_rates()
    total: list[tuple[float, float]] = [(0.0, 0.0)]
    planned = plan(chosen, todo, root)
    for one in planned:
        seconds = [rates.seconds(effort) for effort in one.efforts]
        least, most = (sum(part) for part in zip((0.0, 0.0), *seconds, strict=True))
        total.append((least, most))
        expected = in_range(least, most) if one.makes else "done"
        table.add_row(one.name, ", ".join(one.makes), ", ".join(one.shared), expected)
    console.print(table)
    least, most = (sum(part) for part in zip(*total, strict=True))
    told = "All is done"
    if most:
        told = f"{in_range(least, most)} in all, one run at a time, on this machine as busy as it is"
        rented = most / 3600 * machine.cores() * CORE_PRICE
        told += f"; {dollars(rented)} at most where a core is rented at ${CORE_PRICE} an hour"
    paid = sum(one.teacher_dollars for one in planned)
    if paid:
        told += f"; the LLM that writes or grades costs some {dollars(paid)}"
    console.plain(f"{told}. Nothing was run.")
