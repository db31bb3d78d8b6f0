"""`hornbook grade`: a teacher grades a sample of a corpus, a classifier learns from it and scores every document."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from hornbook.commands.folders import FORCE, RUNNER, WORKERS, choose_runner, run_stage
from hornbook.commands.settings import settings_of
from hornbook.commands.write import BUILTIN, CACHE, MODEL_NAME, MONEY, REQUESTS, TEACHER, TOKENS
from hornbook.corpus.grade import GRADE
from hornbook.corpus.grade.settings import GradeSettings
from hornbook.errors import UserError
from hornbook.teacher.client.settings import BudgetSettings, ClientSettings
from hornbook.teacher.rubrics import Rubric, available, load

console = Console()


def grade(  # noqa: PLR0913 (one for each option)
    corpus: Annotated[Path, typer.Argument(help="A corpus folder: one with documents/ in it.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings, as in a recipe.")
    ] = None,
    into: Annotated[Path, typer.Option(metavar="FOLDER", help="The same corpus with scores.")] = Path("graded"),
    *,
    rubric: Annotated[
        str, typer.Option(help=f"{', '.join(available())}; or a .toml rubric of your own.")
    ] = "educational",
    teacher: TEACHER = None,
    model: MODEL_NAME = "",
    sample: Annotated[int | None, typer.Option(min=2, help="Documents that the teacher grades.")] = None,
    threshold: Annotated[int | None, typer.Option(min=1, max=5, help="The grade that counts as educational.")] = None,
    drop: Annotated[bool, typer.Option("--drop", help="Drop what scores below the threshold.")] = False,
    share: Annotated[
        float | None, typer.Option(min=0.0001, max=1, help="Keep this share of the documents, the best.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Same seed, same sample; 1 unless told.")] = None,
    force: FORCE = False,
    runner: RUNNER = None,
    workers: WORKERS = None,
    cache: CACHE = None,
    budget_requests: REQUESTS = None,
    budget_tokens: TOKENS = None,
    budget_money: MONEY = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show three filled prompts and the cost; send nothing.")
    ] = False,
) -> None:
    """Grade a sample by a rubric, learn the grades, score every document. Repeated, it pays for no answer twice."""
    if drop and share is not None:
        raise UserError("--drop (by the threshold) and --share are two ways to keep documents: use one of them")
    choose_runner(runner, workers)
    asked: dict[str, Any] | None = None
    if teacher and list(teacher) != [BUILTIN]:
        budget = BudgetSettings(requests=budget_requests, tokens=budget_tokens, money=budget_money)
        asked = {"endpoints": teacher, "model": model, "cache": str(cache or ""), "budget": budget, "rubric": rubric}
    elif dry_run:
        raise UserError("the built-in teacher sends nothing and costs nothing; --dry-run needs --teacher URL#MODEL")
    else:
        load(rubric)
    flags = {"sample": sample, "threshold": threshold, "drop": drop or None, "share": share, "seed": seed}
    given = {key: value for key, value in {**flags, "teacher": asked}.items() if value is not None}
    stage_settings = settings_of(GRADE, overrides or [], given=given)
    if dry_run and stage_settings.teacher is not None:
        _preview(corpus, load(rubric), stage_settings.grade, stage_settings.teacher.client(), stage_settings.seed)
        return
    made = run_stage(GRADE, stage_settings, into, force=force, corpus=corpus)
    _show(made.manifest.figures, into, made.before)


def _preview(corpus: Path, rubric: Rubric, settings: GradeSettings, asked: ClientSettings, seed: int) -> None:
    from hornbook.corpus.grade.sampling import choose
    from hornbook.documents import read_rows
    from hornbook.teacher.client.budget import estimate, show

    rows = [(row["id"], row["source"]) for row in read_rows(corpus, ["id", "source"])]
    sample = set(choose(rows, settings.sample, seed=seed))
    texts = (row["text"] for row in read_rows(corpus, ["id", "text"]) if row["id"] in sample)
    show(estimate((rubric.request(text) for text in texts), asked), console)


def _show(figures: dict[str, Any], into: Path, before: bool) -> None:
    if before:
        console.print("It is there already, whole; nothing was asked.", highlight=False)
    counts = ", ".join(f"{number:,} x {grade}" for grade, number in figures["grades"].items() if number)
    agreement = figures["agreement"]
    console.print(
        f"{figures['graded']:,} documents graded by {figures['grader']} ({figures['failed']:,} failed): {counts}.",
        highlight=False,
        soft_wrap=True,
    )
    console.print(
        f"Every one of {figures['documents']:,} documents has a score; the classifier's F1 on {figures['held_out']:,} "
        f"held-out grades at {figures['threshold']} is {agreement['f1']['value']:.2f}, kappa over all grades "
        f"{agreement['kappa']['value']:.2f}.",
        highlight=False,
        soft_wrap=True,
    )
    if figures["kept"] < figures["documents"]:
        console.print(
            f"{figures['kept']:,} documents are kept, those with {figures['minimum_score']:.2f} or more.",
            highlight=False,
            soft_wrap=True,
        )
    if figures.get("line"):
        console.print(f"Requests: {figures['line']}.", highlight=False, soft_wrap=True)
    console.print(f"The corpus: {into}", highlight=False, soft_wrap=True)
