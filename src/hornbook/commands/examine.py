"""`hornbook evaluate` of published benchmarks: a paper's table, or any of them by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.commands.consent import consent
from hornbook.commands.write import BUILTIN, client_settings
from hornbook.errors import UserError, nearest
from hornbook.machine import Precision, kept_in
from hornbook.model import model_folder
from hornbook.progress import ConsoleProgress, Progress
from hornbook.settings import apply, comma_separated, validated
from hornbook.teacher.client.settings import BudgetSettings
from hornbook.terminal import console

if TYPE_CHECKING:
    from hornbook.teacher.client.client import Client

OWN = ("problems", "long")


def list_benchmarks(tasks: str | None, data: Path | None) -> None:
    """Tell which benchmarks there are, those of the data folder's own pages too, and whose data is there."""
    from hornbook.evaluate.exam.data import VARIABLE, folder_of
    from hornbook.evaluate.exam.declaration import benchmarks, find
    from hornbook.evaluate.exam.display import catalogue

    folder = folder_of(data)
    pages = list(benchmarks().values())
    if folder is not None:
        pages += [find(str(path)) for path in sorted(folder.glob("*.toml"))]
    if tasks is not None:
        pages = [find(name, folder) for name in comma_separated(tasks)]
    console.print(catalogue(pages, folder))
    if folder is None:
        console.plain(f"No folder of benchmarks is named: --data FOLDER, or the variable {VARIABLE}.")


def put_benchmarks(
    model: str,
    suite: str,
    tasks: str | None,
    options: dict[str, Any],
    overrides: list[str],
    *,
    teacher: list[str] | None,
    as_json: bool,
    without_isolation: bool,
) -> None:
    """Put a paper's suite, or the benchmarks `tasks`, to a model, and show what it scored.

    teacher: endpoints of an LLM that grades answers, and judges refusals, which a classifier does unless it is given.
    """
    from hornbook.evaluate.exam.declaration import suites
    from hornbook.evaluate.exam.display import scores_table
    from hornbook.evaluate.exam.endpoint import Endpoint
    from hornbook.evaluate.exam.examination import asks, examine, examine_model
    from hornbook.evaluate.exam.settings import ExamSettings
    from hornbook.evaluate.safety.judge import LlmJudge

    if suite and suite not in suites():
        known = ", ".join([*OWN, *suites()])
        raise UserError(f"there is no suite {suite!r}{nearest(suite, suites())}; the suites are {known}")
    names = comma_separated(tasks or "")
    told = options.pop("into")
    precision: Precision = options.pop("precision") or "fp32"
    values: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    values |= {"benchmarks": names, "suite": suite}
    for override in overrides:
        apply(values, override)
    settings = validated(ExamSettings, values, "the examination")
    into = told or kept_in("exam", str(Path(model).resolve() if Path(model).exists() else model))
    progress = Progress() if as_json else ConsoleProgress(console)
    allowed = consent(without_isolation) if "program" in asks(settings) else without_isolation
    with teacher_of(teacher, progress) as client:
        judges: dict[str, Any] = {"judge": LlmJudge(client), "teacher": client} if client is not None else {}
        if model.startswith(("http://", "https://")):
            if settings.chat or precision != "fp32":
                raise UserError(f"{model} is asked as it is served; leave out --chat and --precision")
            figures = examine(Endpoint(model), settings, progress, into, allow_unisolated=allowed, **judges)
        else:
            folder = model_folder(model)
            figures = examine_model(
                folder, settings, progress, into, precision=precision, allow_unisolated=allowed, **judges
            )
    if as_json:
        console.values(figures)
        return
    console.print(scores_table(figures))
    asked = list(figures["benchmarks"])
    which = asked[0] if len(asked) == 1 else f"NAME, which is {', '.join(asked[:-1])} or {asked[-1]}"
    console.plain(f"Every prompt and answer: hornbook show {into} --of {which}")


@contextmanager
def teacher_of(teacher: list[str] | None, progress: Progress) -> Iterator[Client | None]:
    """An LLM that judges, for as long as the block lasts; None where no endpoint is named."""
    if not teacher or list(teacher) == [BUILTIN]:
        yield None
        return
    from hornbook.teacher.client.client import asking

    with asking(client_settings(teacher, "", None, BudgetSettings()), progress) as client:
        yield client
