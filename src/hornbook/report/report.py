"""The report stage: one page, whole in itself, that tells what each step of the recipe did for the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from hornbook.display import plural
from hornbook.files import expanded, in_utf8, write_text
from hornbook.report import overview, wording
from hornbook.report.checkpoints import Checkpoint, checkpoints
from hornbook.report.run import Run
from hornbook.report.sections import (
    answers,
    chain,
    cleaning,
    control,
    costs,
    evidence,
    exam,
    exercises,
    families,
    grades,
    longrope,
    losses,
    questions,
    refusals,
    reproduce,
    samples,
    scores,
    sizes,
    texts,
    tokens,
)
from hornbook.runs import manifest
from hornbook.runs.effort import Effort
from hornbook.runs.folders import stage_folders
from hornbook.runs.stage import EVERY_STAGE, Input, Stage, Work
from hornbook.settings import SAME_RESULT, Settings

if TYPE_CHECKING:
    from jinja2 import Environment

_FOLDER = Path(__file__).parent
PAGE = "report.html"


@dataclass(frozen=True)
class Section:
    """A part of the page: `view` gathers what `sections/NAME.html` shows, or None where the run has nothing for it."""

    name: str
    title: str
    view: Callable[[Run, Sequence[Checkpoint]], dict[str, Any] | None]


SECTIONS = (
    Section("scores", "What each step did", scores.view),
    Section("control", "What the model brought with it", control.view),
    Section("questions", "Questions, before and after", questions.view),
    Section("answers", "The same problems, step by step", answers.view),
    Section("families", "Strong and weak families", families.view),
    Section("exam", "The examination", exam.view),
    Section("samples", "What it writes", samples.view),
    Section("losses", "How it learned", losses.view),
    Section("longrope", "A longer context", longrope.view),
    Section("grades", "What the documents are worth", grades.view),
    Section("texts", "Texts by the teacher", texts.view),
    Section("exercises", "What the teacher wrote", exercises.view),
    Section("cleaning", "What was dropped, and why", cleaning.view),
    Section("tokens", "Tokens and mixtures", tokens.view),
    Section("sizes", "Small enough for a pocket", sizes.view),
    Section("refusals", "What it declines", refusals.view),
    Section("evidence", "What a step is worth", evidence.view),
    Section("costs", "Time and memory", costs.view),
    Section("reproduce", "How to do it again", reproduce.view),
    Section("chain", "From the model back to its documents", chain.view),
)


def report(
    name: str, description: str, inputs: Mapping[str, Path], *, into: Path, control: Path | None = None
) -> dict[str, Any]:
    """Write `into/report.html` from the stage folders `inputs` (by stage name). control: another run's folder, whose
    scores are shown beside.

    Equal inputs make equal bytes; sections for which a run has nothing are left out. Returns the page's size.
    """
    beside = Run.at(control) if control is not None else None
    page = render(name, description, replace(Run.of(inputs), control=beside))
    write_text(into / PAGE, page)
    return {"bytes": len(in_utf8(page))}


def render(name: str, description: str, run: Run) -> str:
    """The page as HTML."""
    models = checkpoints(run)
    views = [(section, section.view(run, models)) for section in SECTIONS]
    template = environment().get_template("page.html")
    return template.render(
        name=name,
        description=description,
        overview=overview.view(run, models),
        machine=overview.machine(run),
        version=_version(run),
        sections=[(section, view) for section, view in views if view is not None],
    )


@cache
def environment(templates: Path = _FOLDER / "sections") -> Environment:
    """Templates of a folder, and those beside this file. Everything that comes from models or documents is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader([templates, _FOLDER]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    for filter_ in (
        wording.count,
        plural,
        wording.share,
        wording.signed,
        wording.decimal,
        wording.size,
        wording.duration,
        wording.short,
        wording.listed,
    ):
        made.filters[filter_.__name__] = filter_
    return made


def _version(run: Run) -> str:
    versions = [one.versions.get("hornbook", "") for one in run.manifests.values()]
    return versions[-1] if versions else ""


class ReportStageSettings(Settings):
    """What the report stage depends on."""

    name: str = ""
    description: str = ""
    control: Annotated[str, SAME_RESULT] = ""


def _control(settings: ReportStageSettings, base: Path) -> Path | None:
    """The folder of the run that this one is held against, where it has been evaluated."""
    folder = base / expanded(settings.control) if settings.control else None
    return folder if folder is not None and "evaluate" in stage_folders(folder) else None


def _scores_of(settings: ReportStageSettings, base: Path) -> list[str] | None:
    folder = _control(settings, base)
    found = [manifest.read(place) for place in stage_folders(folder).values()] if folder is not None else []
    return [one.content for one in found if one is not None] or None


def _report(work: Work[ReportStageSettings]) -> dict[str, Any]:
    settings = work.settings
    return report(
        settings.name,
        settings.description,
        work.several["stages"],
        into=work.into,
        control=_control(settings, work.base),
    )


REPORT = Stage(
    name="report",
    summary="the report card",
    settings=ReportStageSettings,
    run=_report,
    inputs=(Input("stages", EVERY_STAGE, "Stages' folders.", every=True),),
    outside=_scores_of,
    headline=lambda f: f"one page, {f['bytes'] / 1e3:.0f} kB",
    estimate=lambda settings, volume: Effort("1 page", 5),
)
