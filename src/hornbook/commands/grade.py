"""`hornbook grade`: a teacher grades a sample of a corpus, a classifier learns from it and scores every document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from hornbook.commands.folders import (
    CHANGED_CODE,
    FORCE,
    RUNNER,
    WORKERS,
    choose_runner,
    run_stage,
    say,
    tell_doubts,
    tell_sources,
)
from hornbook.commands.settings import settings_of
from hornbook.commands.write import (
    BUILTIN,
    CACHE,
    MODEL_NAME,
    MONEY,
    REQUESTS,
    TEACHER,
    TOKENS,
    of_endpoints,
    refuse_without_llm,
)
from hornbook.corpus.grade import GRADE, GradeStageSettings
from hornbook.corpus.grade.settings import GradeSettings
from hornbook.display import plural
from hornbook.errors import UserError
from hornbook.teacher.client.settings import BudgetSettings, ClientSettings
from hornbook.teacher.rubrics import Rubric, available, load
from hornbook.teacher.settings import EDUCATIONAL
from hornbook.terminal import console

Shares = float | dict[str, float] | None


def grade(  # noqa: PLR0913 (one for each option)
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS", help="A corpus folder: one with documents/ in it.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings, as in a recipe.")
    ] = None,
    into: Annotated[Path, typer.Option(metavar="FOLDER", help="The same corpus with scores.")] = Path("graded"),
    *,
    rubric: Annotated[
        str | None,
        typer.Option(help=f"{', '.join(available())}; or a .toml rubric of your own.", show_default=EDUCATIONAL),
    ] = None,
    teacher: TEACHER = None,
    model: MODEL_NAME = "",
    sample: Annotated[int | None, typer.Option(min=2, help="Documents that the teacher grades.")] = None,
    threshold: Annotated[int | None, typer.Option(min=1, max=5, help="The grade that counts as educational.")] = None,
    drop: Annotated[bool, typer.Option("--drop", help="Drop what scores below the threshold.")] = False,
    share: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[SOURCE=]SHARE",
            help="Keep this share of the documents, the best; or this share of a source (* for every other one), "
            "repeated.",
        ),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|COLUMN", help="Your own grades, 0 to 5: a table of id (or text) and score, or a column."
        ),
    ] = None,
    classifier: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Score with a classifier that was learned before; ask nobody.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Same seed, same sample; 1 unless told.")] = None,
    force: FORCE = False,
    changed_code: CHANGED_CODE = None,
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
    if drop and share:
        raise UserError("--drop (by the threshold) and --share are two ways to keep documents: use one of them")
    _one_of({"--teacher": bool(teacher), "--labels": labels is not None, "--classifier": classifier is not None})
    choose_runner(runner, workers)
    changes, endpoints = overrides or [], teacher if teacher and list(teacher) != [BUILTIN] else None
    load(rubric or EDUCATIONAL)
    asked: dict[str, Any] = {}
    if endpoints or any(word.startswith("teacher.") for word in changes):
        budget = BudgetSettings(requests=budget_requests, tokens=budget_tokens, money=budget_money)
        told = {"endpoints": endpoints, "model": model or None, "cache": str(cache) if cache else None}
        asked = {f"teacher.{name}": value for name, value in {**told, "rubric": rubric}.items()}
        asked |= {f"teacher.budget.{name}": value for name, value in budget.model_dump().items()}
    else:
        others = {"--dry-run": dry_run, "--rubric": None if rubric == EDUCATIONAL else rubric}
        refuse_without_llm(of_endpoints(model, cache, budget_requests, budget_tokens, budget_money) | others)
    flags = {"sample": sample, "threshold": threshold, "drop": drop or None, "seed": seed}
    more = {"labels": labels, "classifier": classifier, **asked}
    given = {key: value for key, value in {**flags, **more}.items() if value is not None}
    stage_settings = settings_of(GRADE, changes, given=given)
    shares = _together(_shares(share), stage_settings.grade.share)
    if shares is not None:
        stage_settings = settings_of(GRADE, changes, given={**given, "share": shares})
    _one_grades(stage_settings, bool(teacher), endpoints is None)
    if dry_run and stage_settings.teacher is not None:
        _preview(
            corpus,
            load(stage_settings.teacher.rubric),
            stage_settings.grade,
            stage_settings.teacher.client(),
            stage_settings.seed,
        )
        return
    made = run_stage(GRADE, stage_settings, into, force=force, changed_code=changed_code, corpus=corpus)
    _show(made.manifest.figures, into, made.before)


def _shares(given: Sequence[str] | None) -> Shares:
    """`0.5` for all documents together, or `web=0.5` for each source that is named."""
    found: dict[str, float] = {}
    for word in given or ():
        source, equals, number = word.rpartition("=")
        try:
            found[source] = float(number)
        except ValueError:
            raise UserError(f"--share {word!r} is no share: give 0.5, or SOURCE=0.5 for one source") from None
        if equals and not source:
            raise UserError(f"--share {word!r} names no source before the =")
    if "" in found:
        if len(found) > 1 or len(given or ()) > 1:
            raise UserError("--share is one share of all documents, or SOURCE=SHARE for each source: not both")
        return found[""]
    return found or None


def _together(flags: Shares, setting: Shares) -> Shares:
    """What `--share` and the setting `share` say together. Raises UserError where they are not both by source."""
    if flags is None or setting is None or flags == setting:
        return setting if flags is None else flags
    if isinstance(flags, dict) and isinstance(setting, dict):
        return setting | flags
    raise UserError(
        "--share and share= are one share of all documents, or one for each source, not both: use one of them"
    )


def _one_grades(settings: GradeStageSettings, teacher: bool, builtin: bool) -> None:
    """Raise UserError where the flags and the settings name several who grade."""
    own = settings.grade
    if teacher and builtin and settings.teacher is not None:
        raise UserError(f"--teacher {BUILTIN} asks no LLM, and teacher.endpoints names one: use one of them")
    _one_of(
        {
            "--teacher" if teacher else "teacher.endpoints": teacher or settings.teacher is not None,
            "labels": own.labels is not None,
            "classifier": own.classifier is not None,
        }
    )


def _one_of(ways: Mapping[str, bool]) -> None:
    if sum(ways.values()) > 1:
        raise UserError(f"{' and '.join(name for name, one in ways.items() if one)} both grade: use one of them")


def _preview(corpus: Path, rubric: Rubric, settings: GradeSettings, asked: ClientSettings, seed: int) -> None:
    from hornbook.corpus.grade.sampling import choose_of
    from hornbook.documents import read_rows
    from hornbook.teacher.client.budget import estimate, show

    sample = set(choose_of(corpus, settings.sample, seed=seed))
    texts = (row["text"] for row in read_rows(corpus, ["id", "text"]) if row["id"] in sample)
    show(estimate((rubric.request(text) for text in texts), asked), console)


def _show(figures: dict[str, Any], into: Path, before: bool) -> None:
    if before:
        say("It is there already, whole; nothing was asked.")
    agreement = figures["agreement"]
    if "learned" in figures:
        told = figures["learned"]
        say(
            f"Every one of {figures['documents']:,} documents has a score, by a classifier that learned "
            f"{plural(told.get('graded', 0), 'grade')} of {told.get('grader', 'somebody')}."
        )
        where = "on grades held out there"
    else:
        counts = ", ".join(f"{number:,} x {grade}" for grade, number in figures["grades"].items() if number)
        graded = plural(figures["graded"], "document")
        say(f"{graded} graded by {figures['grader']} ({figures['failed']:,} failed): {counts}.")
        say(f"Every one of {figures['documents']:,} documents has a score.")
        where = f"on {plural(figures['held_out'], 'held-out grade')}"
    if agreement:
        say(
            f"The classifier {where}: kappa over all grades {agreement['kappa']['value']:.2f} (0 is chance); telling "
            f"{figures['threshold']} or more, F1 {agreement['f1']['value']:.2f}, where calling everything so has "
            f"{agreement['always_yes']['value']:.2f}."
        )
    if figures["kept"] < figures["documents"]:
        say(f"Kept: {plural(figures['kept'], 'document')}, {_enough(figures)}.")
    if figures.get("line"):
        say(f"Requests: {figures['line']}.")
    tell_sources(figures)
    tell_doubts(figures, hint="; --share SOURCE=SHARE keeps a share of each source")
    say(f"The corpus: {into}")


def _enough(figures: dict[str, Any]) -> str:
    """Which scores were kept."""
    by_source = figures.get("minimum_scores")
    if not by_source:
        return f"those with {figures['minimum_score']:.2f} or more"
    return "those with " + ", ".join(
        f"{least:.2f} or more of {source or 'what has no source'}" for source, least in by_source.items()
    )
