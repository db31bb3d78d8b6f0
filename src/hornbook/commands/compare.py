"""`hornbook compare`: two results of the same benchmarks, or of the red team, row by row."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from hornbook.errors import UserError
from hornbook.terminal import console, in_markup


def compare(
    first: Annotated[
        Path,
        typer.Argument(
            metavar="A", help="The folder of a result of `hornbook evaluate --tasks`, or of `hornbook redteam`."
        ),
    ],
    second: Annotated[Path, typer.Argument(metavar="B", help="The folder of another.")],
    *,
    teacher: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL#MODEL",
            help="An OpenAI-compatible endpoint that says which of two graded answers is better, in both orders.",
        ),
    ] = None,
    flipped: Annotated[int, typer.Option(min=0, help="So many rows of each benchmark that flipped are shown.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Tell what a model gained and lost against another, row by row, and whether it could be chance; with --teacher
    which answers an LLM prefers.
    """
    if teacher:
        _preferred(first, second, teacher, as_json)
        return
    from hornbook.evaluate.exam.compare import compare as compared
    from hornbook.evaluate.exam.display import compared_table
    from hornbook.evaluate.redteam import RESULTS as CAMPAIGN
    from hornbook.evaluate.redteam.campaign import compare_campaigns

    campaigns = all((folder / CAMPAIGN).is_file() for folder in (first, second))
    found = compare_campaigns(first, second) if campaigns else compared(first, second)
    if as_json:
        console.values([one.figures() for one in found])
        return
    console.print(compared_table(found))
    console.plain(
        "gained, lost: rows where B is better, worse. 95%: of the difference, by paired bootstrap. p: whether as many "
        "rows flip by chance (McNemar, exact)."
    )
    for one in found:
        for before, after in one.flipped[:flipped]:
            told = f"{one.title}, row {before['id']}"
            console.print(f"\n[bold]── {in_markup(told)}[/bold]", highlight=False)
            console.plain(_last_lines(before["prompt"]))
            console.plain(f"A: {_answer(before, one.metric)}\nB: {_answer(after, one.metric)}")


def _preferred(first: Path, second: Path, teacher: list[str], as_json: bool) -> None:
    """Which of two results' answers an LLM prefers."""
    from hornbook.commands.examine import teacher_of
    from hornbook.evaluate.exam.display import preferred_table
    from hornbook.evaluate.exam.preference import preferences
    from hornbook.progress import ConsoleProgress, Progress

    with teacher_of(teacher, Progress() if as_json else ConsoleProgress(console)) as client:
        if client is None:
            raise UserError("the built-in teacher judges no answers; name an LLM with --teacher URL#MODEL")
        found = preferences(first, second, client)
    if as_json:
        console.values([one.figures() for one in found])
        return
    console.print(preferred_table(found))
    console.plain(
        "B: how often its answers are preferred, a tie for half. Rows: where B wins, loses; p: whether by chance (sign "
        "test). agrees: pairs judged the same in both orders; a win takes both. first: of its choices, those for the "
        "answer shown first."
    )
    for one in found:
        for reason, count in one.unknown.items():
            console.plain(f"{one.title}: unknown, and no part of it: {reason} ({count:,})")


def _last_lines(prompt: str) -> str:
    from hornbook.report.wording import clip

    return clip(prompt, 12, 600)


def _answer(row: Mapping[str, Any], metric: str) -> str:
    """What was answered, by the metric that is compared, and whether it is right."""
    metrics = ", ".join(f"{name} {value:.3g}" for name, value in row["metrics"].items())
    if "pick" in row:
        picked = row["pick_norm" if metric == "acc_norm" else "pick"]
        return f"{row['choices'][picked]!r} ({metrics})"
    if "answer" not in row:
        return metrics
    text = " / ".join(row["answer"]) if isinstance(row["answer"], list) else row["answer"]
    return f"{text[:200]!r} ({metrics})"
