"""`hornbook evaluate`: how good a model is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from hornbook.commands.consent import UNSAFE, consent
from hornbook.commands.examine import OWN, list_benchmarks, put_benchmarks
from hornbook.commands.settings import settings_of
from hornbook.errors import UserError
from hornbook.evaluate.benchmark import EvaluateSettings
from hornbook.evaluate.evaluate import EVALUATE
from hornbook.machine import Precision, kept_in
from hornbook.model import model_folder
from hornbook.progress import ConsoleProgress
from hornbook.runs.folders import run_above, stage_folders
from hornbook.settings import apply, validated
from hornbook.terminal import console

LONG = "With --suite long"
EXAM = "With benchmarks"


def evaluate(  # noqa: PLR0913 (one for each option)
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL",
            help="A model folder, the folder of a stage or a run (its last model), a run's name, or a name of "
            "`hornbook model list`; for benchmarks an address ending in /v1, too.",
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Settings, as in a recipe; or those of --suite long, of benchmarks."),
    ] = None,
    *,
    suite: Annotated[
        str,
        typer.Option(
            help="[bold]problems[/bold]: pass@1; [bold]long[/bold]: find, follow, count in long prompts; a paper's "
            "table: [bold]phi-1[/bold], [bold]phi-1.5[/bold], [bold]phi-3[/bold], [bold]smollm2[/bold]; "
            "[bold]safety[/bold]: hateful sentences, refusals, over-refusal."
        ),
    ] = "",
    problems: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A problems.jsonl; the model's own run's unless told.")
    ] = None,
    tasks: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,NAME",
            help="Benchmarks, such as arc_easy,my/page.toml; with --suite long its tasks, such as passkey.",
        ),
    ] = None,
    list_them: Annotated[
        bool,
        typer.Option("--list", help="Tell which benchmarks there are, and whose data is there.", rich_help_panel=EXAM),
    ] = False,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER|hf:", help="Where their files lie (HORNBOOK_BENCHMARKS), or the hub.", rich_help_panel=EXAM
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="So many questions of each.", rich_help_panel=EXAM)] = None,
    shots: Annotated[
        int | None, typer.Option(min=0, help="Examples before each question.", rich_help_panel=EXAM)
    ] = None,
    in_chat: Annotated[bool, typer.Option("--chat", help="Ask in the chat template.", rich_help_panel=EXAM)] = False,
    teacher: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL#MODEL",
            help="An OpenAI-compatible endpoint that grades answers (tinystories, mt_bench), and judges whether they "
            "refuse, which a classifier does unless told.",
            rich_help_panel=EXAM,
        ),
    ] = None,
    lengths: Annotated[
        str | None,
        typer.Option(
            metavar="TOKENS,TOKENS",
            help="Such as 4K,8K; from 512 to the model's context.",
            rich_help_panel=LONG,
        ),
    ] = None,
    depths: Annotated[
        str | None, typer.Option(metavar="PERCENT,PERCENT", help="In percent, such as 0,50,100.", rich_help_panel=LONG)
    ] = None,
    samples: Annotated[int | None, typer.Option(min=1, help="Prompts of each depth.", rich_help_panel=LONG)] = None,
    text: Annotated[
        Path | None,
        typer.Option(metavar="FILE|FOLDER", help="A text file or folder to hide things in.", rich_help_panel=LONG),
    ] = None,
    questions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A JSONL file of question, answer, paragraph.", rich_help_panel=LONG),
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where results go, part by part; of --suite long, and of benchmarks."),
    ] = None,
    precision: Annotated[
        Precision | None,
        typer.Option(help="Compute in it: fp32, which is the same on every machine, unless told; bf16 is smaller."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print scores and every answer as JSON.")] = False,
    without_isolation: UNSAFE = False,
) -> None:
    """Measure pass@1 on held-out problems, each run in a sandbox; with --suite long how a model copes with length; with
    --tasks or a paper's suite what it scores on published benchmarks.
    """
    if list_them:
        list_benchmarks(tasks, data)
        return
    if model is None:
        raise UserError("name a model, or give --list")
    of_exam: dict[str, Any] = {"data": data, "limit": limit, "shots": shots, "chat": in_chat or None}
    of_long: dict[str, Any] = {"lengths": lengths, "depths": depths, "samples": samples, "text": text}
    of_long |= {"questions": questions}
    asks_exam = suite not in ("", *OWN) or (suite == "" and tasks is not None)
    options = {"problems": (problems, "problems"), **{name: (value, "long") for name, value in of_long.items()}}
    options |= {name: (value, "") for name, value in (of_exam | {"teacher": teacher or None}).items()}
    _refuse_others(options, "" if asks_exam else suite or "problems")
    if not asks_exam and suite != "long" and (tasks or into) is not None:
        raise UserError(
            "--tasks and --into belong to the other suites; leave out --suite problems, or add --suite long"
        )
    changes = overrides or []
    if asks_exam:
        given = {**of_exam, "precision": precision, "into": into}
        put_benchmarks(
            model, suite, tasks, given, changes, teacher=teacher, as_json=as_json, without_isolation=without_isolation
        )
    elif suite == "long":
        _evaluate_long(model, of_long | {"tasks": tasks, "into": into, "precision": precision}, changes, as_json)
    else:
        flags = {} if precision is None else {"precision": precision}
        settings = settings_of(EVALUATE, ["problems=9223372036854775807", *changes], given=flags).evaluate
        _evaluate_problems(model, problems, settings, as_json, without_isolation)


def _refuse_others(options: dict[str, tuple[Any, str]], suite: str) -> None:
    """Raise UserError for an option of another suite; that of benchmarks has no name of its own."""
    for name, (value, of) in options.items():
        if value is not None and of != suite:
            place = (
                f"the other suite; add --suite {of}" if of else "benchmarks; name some with --tasks, or a paper's suite"
            )
            raise UserError(f"--{name} belongs to {place}")


def _evaluate_long(model: str, options: dict[str, Any], overrides: list[str], as_json: bool) -> None:
    from hornbook.evaluate.long.display import long_table
    from hornbook.evaluate.long.settings import LongSettings, from_options
    from hornbook.evaluate.long.suite import run_long_suite
    from hornbook.progress import Progress

    told = options.pop("into")
    into = told or kept_in("long", str(Path(model).resolve() if Path(model).exists() else model))
    values = from_options(options).model_dump()
    for override in overrides:
        apply(values, override)
    settings = validated(LongSettings, values, "--suite long")
    progress = Progress() if as_json else ConsoleProgress(console)
    figures = run_long_suite(model_folder(model), settings, progress, into)
    if as_json:
        console.values(figures)
        return
    console.print(long_table(figures))
    console.plain(f"Every answer: {into}" + ("" if told else "; --into FOLDER keeps them where you say"))


def _evaluate_problems(
    model: str, problems: Path | None, settings: EvaluateSettings, as_json: bool, without_isolation: bool
) -> None:
    from hornbook.evaluate.benchmark import HeldOut
    from hornbook.evaluate.evaluate import evaluate_one, in_words
    from hornbook.progress import Progress

    if settings.checkpoints:
        raise UserError("checkpoints is for recipes, of whose models it names some; here one is asked: give its folder")
    folder = model_folder(model)
    path = problems or _problems_of(folder)
    result = evaluate_one(
        folder,
        HeldOut(problems=path),
        settings,
        name=folder.name,
        progress=Progress() if as_json else ConsoleProgress(console),
        allow_unisolated=consent(without_isolation),
    )
    if as_json:
        console.values(result)
        return
    console.plain(f"{folder}: {in_words(result['scores'])}")
    for style in ("completion", "chat"):
        failed = [one for one in result.get(style, []) if not one["passed"]]
        for one in failed[:2]:
            console.print(f"\n[dim]not solved as {escape(style)}, {escape(one['wrong'])}[/dim]", highlight=False)
            console.plain(one["program"])


def _problems_of(folder: Path) -> Path:
    """The problems that were held out in the run a model belongs to."""
    run = run_above(folder)
    if run is None:
        raise UserError(f"{folder} belongs to no run; name the problems with --problems FILE")
    written = stage_folders(run).get("write")
    if written is None or not (written / "problems.jsonl").is_file():
        raise UserError(
            f"the run {run} held no problems out: it has no stage write; name others with --problems FILE, or see with "
            "--suite long how the model copes with length"
        )
    return written / "problems.jsonl"
