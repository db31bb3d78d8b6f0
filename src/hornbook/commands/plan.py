"""`hornbook plan`: what a recipe would take, before anything runs."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from hornbook.commands.places import A_RECIPE
from hornbook.errors import UserError
from hornbook.machine import cores as cores_here
from hornbook.recipe import base_of, load, locate
from hornbook.terminal import console


def plan(  # noqa: PLR0913 (one for each option)
    recipe: A_RECIPE,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Settings to change, such as pretrain.phase2.tokens=1M."),
    ] = None,
    *,
    gpu: Annotated[str, typer.Option(help="The accelerator, such as h100, a100, l4, 4090.")] = "a100",
    gpus: Annotated[int, typer.Option(min=1, help="How many of them share the training.")] = 1,
    price: Annotated[
        float | None, typer.Option(min=0, help="Dollars for an hour of one; a round market price unless told.")
    ] = None,
    mfu: Annotated[
        float, typer.Option(min=0.01, max=1, help="Share of the accelerator's peak that training reaches.")
    ] = 0.4,
    cores: Annotated[
        int | None, typer.Option(min=1, help="Processors that work on the corpus; this machine's unless told.")
    ] = None,
    teacher_price: Annotated[
        str | None,
        typer.Option(metavar="IN,OUT", help="Dollars for a million tokens to and from the recipe's LLM."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Tell documents, tokens, hours and dollars of a recipe. Nothing runs, nothing is downloaded."""
    from hornbook.planning.gpus import find
    from hornbook.planning.plan import Terms
    from hornbook.planning.plan import plan as make
    from hornbook.planning.table import tables

    name, path = locate(recipe)
    settings = load(path, overrides or [])
    chosen = find(gpu)
    terms = Terms(
        gpu=chosen,
        gpus=gpus,
        price=chosen.price if price is None else price,
        utilisation=mfu,
        cores=cores or cores_here(),
        teacher_prices=_prices(teacher_price),
    )
    published = settings.published
    made = make(
        settings,
        base_of(path, settings),
        terms,
        find(published.gpu) if published is not None and published.gpu is not None else None,
    )
    if as_json:
        console.values({"recipe": name, **made.as_values()})
        return
    console.print(f"[bold]{escape(name)}[/bold]  {escape(settings.description)}\n", highlight=False)
    for part in tables(made):
        console.print(part, highlight=False)
        console.print()


def _prices(text: str | None) -> tuple[float, float] | None:
    """`2.5,10` as two numbers. Raises UserError for anything else."""
    if text is None:
        return None
    try:
        price_in, price_out = (float(part) for part in text.split(","))
    except ValueError:
        raise UserError(f"--teacher-price {text!r} is not two prices such as 2.5,10") from None
    return price_in, price_out
