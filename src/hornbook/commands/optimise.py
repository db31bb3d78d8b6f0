"""`hornbook optimise`: which mixture a model of a size should read, found by smaller ones and tried."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from hornbook.amounts import count
from hornbook.commands.consent import UNSAFE, consent
from hornbook.commands.folders import RUNS_CHANGED_CODE, RUNS_CHANGED_SETTINGS
from hornbook.commands.options import amounts
from hornbook.commands.places import A_RECIPE
from hornbook.commands.stopping import stoppable
from hornbook.display import FigureTable
from hornbook.progress import ConsoleProgress
from hornbook.settings import comma_separated, key_and_value
from hornbook.terminal import console

if TYPE_CHECKING:
    from hornbook.optimise.plan import Plan


def optimise(  # noqa: PLR0913 (one for each option)
    recipe: A_RECIPE,
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings to change, such as write.problems=400.")
    ] = None,
    *,
    sizes: Annotated[
        str,
        typer.Option(metavar="SIZE,SIZE", help="Parameters of the models, such as 0.25M,1M,4M; the largest is wanted."),
    ],
    tokens: Annotated[
        int,
        typer.Option(
            metavar="TOKENS", parser=amounts("--tokens", count), help="What the largest model reads, such as 8M."
        ),
    ],
    proxies: Annotated[int, typer.Option(min=4, help="Mixtures that are drawn, and read at every smaller size.")] = 24,
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each mixture at the largest size.")] = 5,
    ranked: Annotated[int, typer.Option(min=0, help="Drawn mixtures that the largest size reads, too.")] = 6,
    kl_penalty: Annotated[
        float,
        typer.Option(min=0, help="What a nat of divergence from the natural mixture costs, in multiples of its loss."),
    ] = 0.1,
    measures: Annotated[str, typer.Option(help="What is made small: body, bits, or their mean.")] = "",
    into: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where all goes; optimise/RECIPE unless told.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the models, and what they would take; do nothing.")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="Runs that are done at once, in processes of their own.")] = 1,
    changed_code: RUNS_CHANGED_CODE = None,
    changed_settings: RUNS_CHANGED_SETTINGS = None,
    without_isolation: UNSAFE = False,
) -> None:
    """Find the mixture that a model of a size should read, with smaller models; try it, and write it as a recipe.

    What is done is skipped; what was interrupted goes on where it was.
    """
    from hornbook.optimise.page import sentences
    from hornbook.optimise.plan import Plan
    from hornbook.optimise.run import PAGE, RECIPE
    from hornbook.optimise.run import optimise as find

    size_of = amounts("--sizes", count)
    plan = Plan(
        recipe,
        [size_of(size) for size in sizes.split(",")],
        tokens,
        dict(map(key_and_value, overrides or [])),
        proxies=proxies,
        seeds=seeds,
        ranked=ranked,
        kl_penalty=kl_penalty,
        measures=comma_separated(measures),
    )
    if dry_run:
        _show(plan)
        return
    root = into or Path("optimise") / plan.path.stem
    unisolated = consent(without_isolation)
    console.print(f"[bold]{escape(plan.path.stem)}[/bold] → {escape(str(root))}", highlight=False)
    with stoppable(console):
        result = find(
            plan,
            root,
            workers=workers,
            progress=ConsoleProgress(console),
            allow_unisolated=unisolated,
            changed_code=changed_code,
            changed_settings=changed_settings,
        )
    for _, sentence in sentences(result):
        console.plain(sentence)
    console.plain(f"The recipe: {root / RECIPE}")
    console.plain(f"The page: {root / PAGE}")


def _show(plan: Plan) -> None:
    """The models of each size, how many runs there are of each, and how long that takes."""
    from hornbook.optimise.plan import expected
    from hornbook.runs.effort import in_range, measure_rates

    table = FigureTable(title=escape(f"{plan.path.stem}: what would run"), title_justify="left")
    for column in ("what", "parameters", "layers × width", "tokens", "runs", "each", "in all"):
        table.add_column(column, justify="left" if column == "what" else "right")
    rates = measure_rates()
    total = (0.0, 0.0)
    for row in expected(plan):
        least, most = (sum(part) for part in zip((0.0, 0.0), *map(rates.seconds, row.efforts), strict=True))
        total = (total[0] + row.runs * least, total[1] + row.runs * most)
        shape = plan.shapes[row.size]
        table.add_row(
            row.what,
            f"{shape.parameters():,}",
            f"{shape.layers} × {shape.width}",
            f"{plan.budget(row.size):,}",
            str(row.runs),
            in_range(least, most),
            in_range(row.runs * least, row.runs * most),
        )
    console.print(table)
    console.plain(f"{in_range(*total)} in all, one run at a time, on this machine as busy as it is. Nothing was run.")
