"""`hornbook redteam`: what a model can be brought to do that it should decline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from hornbook.commands.write import CACHE, MODEL_NAME, MONEY, REQUESTS, TOKENS, client_settings
from hornbook.display import FigureTable
from hornbook.evaluate.redteam.settings import RedteamSettings
from hornbook.files import write_text
from hornbook.machine import Precision
from hornbook.model import model_folder
from hornbook.progress import ConsoleProgress, Progress
from hornbook.settings import apply, comma_separated, validated
from hornbook.teacher.client.settings import BudgetSettings, ClientSettings
from hornbook.terminal import console

if TYPE_CHECKING:
    from hornbook.evaluate.exam.candidate import Candidate

PAGE = "redteam.html"


def redteam(  # noqa: PLR0913 (one for each option)
    model: Annotated[
        str,
        typer.Argument(
            help="A model folder, the folder of a stage or a run (its last model), a run's name, a name of "
            "`hornbook model list`, or an address ending in /v1."
        ),
    ],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings: tries, turns, new_tokens, seed.")
    ] = None,
    *,
    requests: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What to ask for, such as AdvBench's CSV; a list of our own unless given."),
    ] = None,
    families: Annotated[
        str | None, typer.Option(help="Ways of asking, such as 'direct,role play'; all unless given.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="So many requests.")] = None,
    into: Annotated[Path, typer.Option(metavar="FOLDER", help=f"Where {PAGE} and all conversations go.")] = Path(
        "redteam"
    ),
    precision: Annotated[
        Precision, typer.Option(help="What a model computes in: fp32 is the same on every machine.")
    ] = "fp32",
    teacher: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL#MODEL",
            help="An OpenAI-compatible endpoint whose LLM judges answers, and attacks over several turns; a classifier "
            "judges unless given.",
        ),
    ] = None,
    teacher_model: MODEL_NAME = "",
    cache: CACHE = None,
    budget_requests: REQUESTS = None,
    budget_tokens: TOKENS = None,
    budget_money: MONEY = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Attack a model: by role play, codes, pieces, many examples, slowly, or by an LLM that adapts. Writes a page."""
    given = {"requests": requests, "families": None if families is None else comma_separated(families), "limit": limit}
    values: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    for override in overrides or []:
        apply(values, override)
    settings = validated(RedteamSettings, values, "the red team")
    budget = BudgetSettings(requests=budget_requests, tokens=budget_tokens, money=budget_money)
    client = client_settings(teacher, teacher_model, cache, budget) if teacher else None
    progress = Progress() if as_json else ConsoleProgress(console)
    figures = _attack(_candidate(model, precision), settings, client, progress, into)
    if as_json:
        console.values(figures)
        return
    console.print(table(figures))
    console.plain(f"The page: {into / PAGE}")


def _candidate(model: str, precision: Precision) -> Candidate:
    from hornbook.evaluate.exam.candidate import LocalModel
    from hornbook.evaluate.exam.endpoint import Endpoint

    if model.startswith(("http://", "https://")):
        return Endpoint(model)
    return LocalModel.load(model_folder(model), precision=precision)


def _attack(
    candidate: Candidate, settings: RedteamSettings, client: ClientSettings | None, progress: Progress, into: Path
) -> dict[str, Any]:
    """Run the campaign, and leave its page beside it."""
    from hornbook.evaluate.redteam import ROWS
    from hornbook.evaluate.redteam.adaptive import LlmAttacker
    from hornbook.evaluate.redteam.campaign import attack
    from hornbook.evaluate.safety.classifier import offline
    from hornbook.evaluate.safety.judge import LlmJudge
    from hornbook.files import read_jsonl
    from hornbook.report.redteam import page
    from hornbook.teacher.client.client import asking

    if client is None:
        figures = attack(candidate, settings, offline(), progress, into)
    else:
        with asking(client, progress) as asked:
            judge, attacker = LlmJudge(asked), LlmAttacker(asked)
            figures = attack(candidate, settings, judge, progress, into, attacker=attacker)
    write_text(into / PAGE, page(figures, list(read_jsonl(into / ROWS))))
    return figures


def table(figures: dict[str, Any]) -> RenderableType:
    """How often each way of asking succeeds, and what answers do."""
    from hornbook.evaluate.exam.display import VERDICT_WORDS
    from hornbook.evaluate.redteam.campaign import in_order
    from hornbook.report.redteam import notes

    shown = FigureTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    shown.add_column("attack", no_wrap=True)
    for header in ("success", "95%", *VERDICT_WORDS.values(), "unknown", "of"):
        shown.add_column(header, justify="right", no_wrap=True)
    by = figures["by"]["family"]
    rows = [*((name, by[name]) for name in in_order(by)), ("all but direct", figures["attacks"])]
    for name, one in rows:
        success, counts = one["success"], [f"{one['verdicts'][verdict]:,}" for verdict in VERDICT_WORDS]
        low, high = success["interval"]
        value = [f"{success['value']:.1%}", f"{low:.0%}–{high:.0%}"] if success["n"] else ["–", ""]
        unknown = sum(one["unknown"].values())
        shown.add_row(name, *value, *counts, f"{unknown:,}", f"{success['n'] + unknown:,}")
    return Group(shown, *(Text(line, style="dim") for line in notes(figures)))
