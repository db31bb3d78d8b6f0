"""`hornbook redteam`: what a model can be brought to do that it should decline."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from hornbook.commands.folders import CHANGED_CODE
from hornbook.commands.stopping import stoppable
from hornbook.commands.write import CACHE, MODEL_NAME, MONEY, REQUESTS, TOKENS, client_settings
from hornbook.corpus.read.remote import is_address
from hornbook.display import FigureTable
from hornbook.errors import UserError
from hornbook.evaluate.redteam.settings import RedteamSettings
from hornbook.files import write_text
from hornbook.machine import Precision
from hornbook.model import model_folder
from hornbook.progress import ConsoleProgress, Progress
from hornbook.runs.single import ChangedCode
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
            metavar="MODEL",
            help="A model folder, the folder of a stage or a run (its last model), a run's name, a name of "
            "`hornbook model list`, or an address ending in /v1.",
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
        str | None,
        typer.Option(metavar="NAME,NAME", help="Ways of asking, such as 'direct,role play'; all unless given."),
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
    fix: Annotated[
        bool,
        typer.Option("--fix", help="Train the model on what got through, and attack it anew; see docs/safety.md."),
    ] = False,
    rounds: Annotated[int | None, typer.Option(min=1, help="Of --fix: so many; 3 unless given.")] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Of --fix: where files of benchmarks lie, to measure refusals and ability."
        ),
    ] = None,
    changed_code: CHANGED_CODE = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Attack a model: by role play, codes, pieces, many examples, slowly, or by an LLM that adapts. Writes a page."""
    given = {"requests": requests, "families": None if families is None else comma_separated(families), "limit": limit}
    given |= {"rounds": rounds, "data": data}
    values: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    for override in overrides or []:
        apply(values, override)
    budget = BudgetSettings(requests=budget_requests, tokens=budget_tokens, money=budget_money)
    client = client_settings(teacher, teacher_model, cache, budget) if teacher else None
    progress = Progress() if as_json else ConsoleProgress(console)
    if fix:
        _fix(model, values, client, progress, into, precision, changed_code, as_json=as_json)
        return
    if rounds is not None or data is not None or changed_code is not None:
        raise UserError("--rounds, --data and --changed-code are for --fix")
    settings = validated(RedteamSettings, values, "the red team")
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
    return LocalModel.load(model_folder(model), precision=precision, fast=True)


def _fix(
    model: str,
    values: dict[str, Any],
    client: ClientSettings | None,
    progress: Progress,
    into: Path,
    precision: Precision,
    changed_code: ChangedCode | None,
    *,
    as_json: bool,
) -> None:
    """Do all rounds, and leave their page beside them."""
    from hornbook.breakfix import PAGE
    from hornbook.breakfix.page import notes, page, sentences
    from hornbook.breakfix.rounds import Team
    from hornbook.breakfix.rounds import fix as do
    from hornbook.breakfix.settings import FixSettings
    from hornbook.evaluate.redteam.adaptive import LlmAttacker
    from hornbook.evaluate.safety.classifier import offline
    from hornbook.evaluate.safety.judge import LlmJudge
    from hornbook.teacher.client.client import asking

    if is_address(model):
        raise UserError(f"{model} is a server's: --fix trains the model of a folder")
    settings = validated(FixSettings, values, "the fixing")
    folder = model_folder(model)
    with ExitStack() as open_:
        if client is None:
            team = Team(offline())
        else:
            asked = open_.enter_context(asking(client, progress))
            team = Team(LlmJudge(asked), LlmAttacker(asked))
        open_.enter_context(stoppable(console))
        figures = do(folder, settings, team, into, precision=precision, progress=progress, changed_code=changed_code)
    write_text(into / PAGE, page(figures))
    if as_json:
        console.values(figures)
        return
    for line in (*sentences(figures), *notes(figures)):
        console.plain(line)
    if left := figures["rounds"][-1]["model"]:
        console.plain(f"The model: {into / left}")
    console.plain(f"The page: {into / PAGE}")


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
