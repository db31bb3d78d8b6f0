"""`hornbook write`: texts of a kind by a teacher, each row with what was drawn for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from hornbook.amounts import count
from hornbook.commands.folders import CHANGED_CODE, FORCE, make
from hornbook.commands.options import amounts
from hornbook.display import FigureTable, plural
from hornbook.errors import UserError
from hornbook.progress import Progress
from hornbook.runs.code import code_digest
from hornbook.runs.single import ChangedCode, content
from hornbook.runs.store import Job
from hornbook.teacher.client.settings import BudgetSettings, ClientSettings, settings_from
from hornbook.teacher.kinds.draws import Extract, extracts
from hornbook.teacher.kinds.source import Order
from hornbook.teacher.kinds.template import Kind, available, load
from hornbook.teacher.settings import BUILTIN_KINDS, default_cache
from hornbook.terminal import console

BUILTIN = "builtin"
LIMITS = "What it may use"

TEACHER = Annotated[
    list[str] | None,
    typer.Option(
        metavar="URL#MODEL",
        help="An OpenAI-compatible endpoint, such as http://localhost:11434/v1#llama3; several share the load. "
        f"{BUILTIN}: the teacher that needs no network.",
    ),
]
MODEL_NAME = Annotated[str, typer.Option(help="The model's name, for endpoints that name none.")]
CACHE = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Where answers are kept, so that none is paid twice.")
]
REQUESTS = Annotated[int | None, typer.Option(min=0, help="Requests at most.", rich_help_panel=LIMITS)]
TOKENS = Annotated[
    int | None,
    typer.Option(
        metavar="TOKENS",
        parser=amounts("--budget-tokens", count, least=0),
        help="So many at most, in and out, such as 5M.",
        rich_help_panel=LIMITS,
    ),
]
MONEY = Annotated[
    float | None, typer.Option(min=0, help="Money at most, by the addresses' prices.", rich_help_panel=LIMITS)
]


def write(  # noqa: PLR0913 (one for each option)
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help=f"What to write: {', '.join(available())}; or a .toml template.")
    ],
    into: Annotated[Path, typer.Option(metavar="FOLDER", help="The corpus folder to write.")] = Path("written"),
    *,
    count: Annotated[int, typer.Option(min=1, help="Rows that pass their checks.")] = 100,
    teacher: TEACHER = None,
    model: MODEL_NAME = "",
    template: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A template file of your own in place of the kind's.")
    ] = None,
    seeds: Annotated[Path | None, typer.Option(metavar="CORPUS", help="A corpus whose documents are seeds.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same requests.")] = 1,
    compare: Annotated[int, typer.Option(min=0, help="Texts of one fixed prompt to hold the diversity against.")] = 0,
    cache: CACHE = None,
    budget_requests: REQUESTS = None,
    budget_tokens: TOKENS = None,
    budget_money: MONEY = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show three filled prompts and the cost; send nothing.")
    ] = False,
    force: FORCE = False,
    changed_code: CHANGED_CODE = None,
    without_isolation: Annotated[
        bool, typer.Option("--without-isolation", help="Run generated code even where it cannot be isolated.")
    ] = False,
) -> None:
    """Have a teacher write. The same command goes on where it was stopped, and pays for no answer twice."""
    chosen = load(str(template) if template else kind)
    source = Path(kind).stem
    order = Order(chosen, count, seed, source, _extracts(seeds, count, seed), compare)
    if not teacher or list(teacher) == [BUILTIN]:
        _check_builtin(teacher, chosen)
        refuse_without_llm(
            {"--dry-run": dry_run, "--template": template, "--seeds": seeds}
            | of_endpoints(model, cache, budget_requests, budget_tokens, budget_money)
        )
        _make(order, into, seeds, None, without_isolation, force=force, changed_code=changed_code)
        return
    budget = BudgetSettings(requests=budget_requests, tokens=budget_tokens, money=budget_money)
    settings = client_settings(teacher or [], model, cache, budget)
    if dry_run:
        _preview(order, settings)
        return
    allowed = _consent(order, without_isolation)
    _make(order, into, seeds, settings, allowed, force=force, changed_code=changed_code)


def client_settings(teacher: Sequence[str], model: str, cache: Path | None, budget: BudgetSettings) -> ClientSettings:
    """What the options say about endpoints."""
    return settings_from(teacher, model, cache=cache or default_cache(), budget=budget)


def of_endpoints(
    model: str, cache: Path | None, requests: int | None, tokens: int | None, money: float | None
) -> dict[str, Any]:
    """The values of options that say something to endpoints alone, by the option's name."""
    budget = {"--budget-requests": requests, "--budget-tokens": tokens, "--budget-money": money}
    return {"--model": model, "--cache": cache, **budget}


def refuse_without_llm(options: Mapping[str, Any]) -> None:
    """Raise UserError for an option that was given, and says something to an LLM alone."""
    for name, value in options.items():
        if value is not None and value is not False and value != "":
            raise UserError(f"no LLM is asked; {name} needs --teacher URL#MODEL")


def _check_builtin(teacher: Sequence[str] | None, kind: Kind) -> None:
    from hornbook.teacher.builtin.texts import check_kind

    if not teacher and kind.name not in BUILTIN_KINDS:
        raise UserError(
            f"who writes {kind.name}? Name an LLM with --teacher URL#MODEL, such as http://localhost:11434/v1#llama3"
        )
    check_kind(kind)


def _extracts(seeds: Path | None, count: int, seed: int) -> Sequence[Extract]:
    return extracts(seeds, count, seed=seed) if seeds else ()


def _consent(order: Order, given: bool) -> bool:
    """Whether code may run without isolation: False where it is isolated or none is run."""
    from hornbook.sandbox.sandbox import isolation

    if not order.kind.template.check.run or isolation().isolated:
        return False
    if not given:
        raise UserError("generated code cannot be isolated here; add --without-isolation to run it with limits only")
    return True


def _preview(order: Order, settings: ClientSettings) -> None:
    from hornbook.teacher.client.budget import estimate, show
    from hornbook.teacher.kinds.source import preview

    found = estimate(preview(order), settings)
    show(found, console)
    template = order.kind.template
    usual = found.new * template.expected_tokens
    console.print(f"Usual answers of this kind take about {usual:,} tokens together.", highlight=False)
    if any(draw.topics for draw in template.draw.values()):
        console.print(
            "The tree of topics grows first, with about one more request for every ten rows; above are its roots.",
            highlight=False,
            soft_wrap=True,
        )
    if order.compare:
        number = min(order.compare, order.count)
        console.print(f"For one fixed prompt: {plural(number, 'more request')}.", highlight=False)


def _make(
    order: Order,
    into: Path,
    seeds: Path | None,
    settings: ClientSettings | None,
    allow_unisolated: bool,
    *,
    force: bool,
    changed_code: ChangedCode | None,
) -> None:
    told: dict[str, Any] = {
        "kind": order.kind.name,
        "template": order.kind.digest,
        "count": order.count,
        "seed": order.seed,
        "source": order.source,
        "compare": order.compare,
        "teacher": settings.model if settings else BUILTIN,
    }

    def work(folder: Path, progress: Progress) -> dict[str, Any]:
        from hornbook.teacher.texts import write_kind

        if settings is None:
            return write_kind(order, None, into=folder, progress=progress)
        from hornbook.teacher.client.client import Client

        with Client(settings, progress) as client:
            figures = write_kind(order, client, into=folder, allow_unisolated=allow_unisolated)
            return {**figures, "requests": client.figures.as_dict(), "line": client.figures.line()}

    inputs = {"seeds": content(seeds)} if seeds else {}
    job = Job("write", told, inputs, code_digest("hornbook.teacher.texts"))
    made = make(into, job, work, reads=[seeds] if seeds else [], force=force, changed_code=changed_code)
    if made.before:
        console.print("It is there already, whole; nothing was asked.", highlight=False)
    figures = made.manifest.figures
    show_figures(figures)
    missing = order.count - figures["documents"]
    if missing:
        asked = figures["asked"]
        console.print(
            f"{missing:,} fewer than wanted: {asked:,} rows were asked for, which is the most.", highlight=False
        )
    console.plain(f"The corpus: {into}")


def show_figures(figures: dict[str, Any]) -> None:
    """Print what was written and how much it differs."""
    removed = ", ".join(f"{count:,} {reason}" for reason, count in figures["removed"].items()) or "none"
    written = f"{figures['documents']:,} {figures['kind']} by {figures['teacher']}"
    size = f"{figures['characters'] / 1e3:,.0f} thousand characters"
    console.plain(f"{written}, {size}; dropped: {removed}.")
    if figures.get("line"):
        console.plain(f"Requests: {figures['line']}.")
    used = ", ".join(
        f"{name} {part['used']:,} of {part['of']:,}" for name, part in figures["coverage"].items() if part["of"]
    )
    console.plain(f"Seeds used: {used}.")
    console.print(diversity_table(figures["diversity"]))


def diversity_table(diversity: dict[str, dict[str, float]]) -> FigureTable:
    """The measures of texts with drawn seeds, beside those of one fixed prompt where there are such."""
    table = FigureTable(box=None, pad_edge=False)
    table.add_column("diversity")
    titles = {"drawn": "drawn seeds", "fixed": "one fixed prompt"}
    for name in diversity:
        table.add_column(titles[name], justify="right")
    for measure in diversity["drawn"]:
        shown = [diversity[name][measure] for name in diversity]
        table.add_row(
            measure.replace("_", " "), *(f"{value:,}" if measure == "texts" else f"{value:.1%}" for value in shown)
        )
    return table
