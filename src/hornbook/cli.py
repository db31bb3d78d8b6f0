"""The commands: each parses, calls one function, and prints."""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import hornbook
from hornbook import pipeline
from hornbook.commands import audit as auditing
from hornbook.commands import documents, longrope, talk
from hornbook.commands import grade as grading
from hornbook.commands import model as models
from hornbook.commands import plan as plans
from hornbook.commands import trace as tracing
from hornbook.commands import write as writing
from hornbook.commands.corpora import RUNNER, WORKERS, choose_runner
from hornbook.commands.places import MODEL, model_folder, run_folder
from hornbook.commands.stopping import stoppable
from hornbook.errors import UserError
from hornbook.progress import ConsoleProgress
from hornbook.recipe import Recipe, available, base_of, load, locate
from hornbook.stages.plan import stages
from hornbook.stages.shared import final_model

console = Console()
errors = Console(stderr=True)

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Make small language models the phi way: textbook-quality data in, a model that fits in a pocket out.\n\n"
    "Start with [bold]hornbook run pocket[/bold]: in minutes, on two cores, it reads, grades, writes, cleans, trains, "
    "evaluates and quantizes, and leaves a model to chat with and a report card that shows what each step did.",
)

UNSAFE = Annotated[
    bool,
    typer.Option(
        "--without-isolation",
        help="Run generated code even where this system cannot isolate it, without asking.",
    ),
]

app.add_typer(models.app, name="model")
app.add_typer(longrope.app, name="longrope")


def main() -> None:
    """Entry point: mistakes a user can mend end in one line and exit code 2."""
    try:
        app()
    except UserError as error:
        errors.print(f"[bold red]error:[/bold red] {escape(str(error))}", soft_wrap=True, highlight=False)
        sys.exit(2)


def _version(wanted: bool) -> None:
    if wanted:
        console.print(f"hornbook {hornbook.__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def run(  # noqa: PLR0913 (one for each option)
    recipe: Annotated[str, typer.Argument(help="A recipe's name (see `hornbook recipes`) or a .toml file.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Settings to change, such as pretrain.phase2.tokens=1e6."),
    ] = None,
    *,
    until: Annotated[str | None, typer.Option(metavar="STAGE", help="Stop after this stage.")] = None,
    force: Annotated[
        list[str] | None, typer.Option(metavar="STAGE", help="Do this stage again; can be repeated.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the stages and what they would take, do nothing.")
    ] = False,
    into: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where the run goes; runs/RECIPE unless told.")
    ] = None,
    runner: RUNNER = None,
    workers: WORKERS = None,
    without_isolation: UNSAFE = False,
) -> None:
    """Run a recipe from raw text to a model. What is done is skipped; what was interrupted goes on where it was."""
    name, path = locate(recipe)
    settings = load(path, overrides or [])
    choose_runner(runner, workers)
    root = into or Path("runs") / name
    plan = stages(settings, base=base_of(path), name=name, allow_unisolated=without_isolation)
    if dry_run:
        _show_plan(plan, settings, base_of(path), root, until)
        return
    chosen = pipeline.up_to(plan, until)
    if any(stage.name in ("texts", "write", "evaluate", "quantize") for stage in chosen) and not _all_done(
        plan, root, until, force
    ):
        plan = stages(settings, base=base_of(path), name=name, allow_unisolated=_consent(without_isolation))
    _run(plan, name, root, until, force or [])


def _run(plan: list[pipeline.Stage], name: str, root: Path, until: str | None, force: list[str]) -> None:
    from hornbook.report.figures import collect, headline
    from hornbook.report.terminal import score_table

    began = time.monotonic()
    console.print(f"[bold]{name}[/bold] → {root}", highlight=False)

    def announce(result: pipeline.Result) -> None:
        mark = "[dim]✓[/dim]" if result.skipped else "[green]✓[/green]"
        seconds = "[dim]done before[/dim]" if result.skipped else f"[dim]{result.manifest.seconds:.1f} s[/dim]"
        told = escape(headline(result.stage.name, result.manifest.figures))
        console.print(f"{mark} {result.folder.name:<12} {told}  {seconds}", highlight=False)

    with stoppable(console):
        results = pipeline.run(
            plan, root, until=until, force=force, progress=ConsoleProgress(console), announce=announce
        )
    if all(result.skipped for result in results):
        console.print(f"Everything is done already ({time.monotonic() - began:.1f} s).", highlight=False)
    else:
        console.print(f"Done in {_minutes(time.monotonic() - began)}.", highlight=False)
    figures = collect(root)
    if figures["pass_at_1"]:
        console.print(score_table(figures))
    page = next(root.glob("[0-9][0-9]-report/report.html"), None)
    if page is not None:
        console.print(f"Report card: {page}", highlight=False, soft_wrap=True)
    if final_model(root) is not None:
        chats = any(result.stage.name == "sft" for result in results)
        words, command = ("Chat with it", f"chat {root}") if chats else ("Go on from a text", f"generate {root} 'TEXT'")
        console.print(f"{words}: [bold]{_program()} {command}[/bold]", highlight=False, soft_wrap=True)


def _all_done(plan: list[pipeline.Stage], root: Path, until: str | None, force: list[str] | None) -> bool:
    """Whether nothing is left to run, so that there is nothing to ask about."""
    if force:
        return False
    contents: dict[str, str] = {}
    for stage in pipeline.up_to(plan, until):
        inputs = {name: contents[name] for name in stage.inputs}
        found = pipeline.is_done(stage, pipeline.folder_of(plan, stage.name, root), inputs)
        if found is None:
            return False
        contents[stage.name] = found.content
    return True


def _program() -> str:
    """How the user called us, as they would type it again."""
    called = Path(sys.argv[0])
    if called.name != "hornbook":
        return "hornbook"
    try:
        return str(called.absolute().relative_to(Path.cwd()))
    except ValueError:
        return "hornbook"


def _minutes(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 36_000:
        return f"{int(seconds // 60)} min {int(seconds % 60):02d} s"
    return f"{seconds / 3600:,.0f} h" if seconds < 360_000 else f"{seconds / 86_400:,.0f} days"


def _consent(given: bool) -> bool:
    """Whether generated code may run without isolation: False where it is isolated, else what the user says."""
    from hornbook.sandbox.sandbox import isolation

    found = isolation()
    if found.isolated:
        return False
    if given:
        return True
    errors.print(f"[yellow]This system cannot isolate generated code:[/yellow] {escape(found.how)}", soft_wrap=True)
    if not sys.stdin.isatty():
        raise UserError("generated code cannot be isolated here; add --without-isolation to run it with limits only")
    if not typer.confirm("Run it all the same, in a process with time and memory limits only?"):
        raise typer.Exit(1)
    return True


def _show_plan(plan: list[pipeline.Stage], recipe: Recipe, base: Path, root: Path, until: str | None) -> None:
    """The stages, their inputs and sizes, whether they are done, and the time they would take."""
    from hornbook.planning.here import estimate

    table = Table(title=f"{root}: what would run", title_justify="left")
    for column in ("stage", "what it does", "reads", "size", "expected"):
        table.add_column(column, justify="right" if column == "expected" else "left")
    contents: dict[str, str] = {}
    total = 0.0
    sizes = estimate(recipe, base)
    for stage in pipeline.up_to(plan, until):
        folder = pipeline.folder_of(plan, stage.name, root)
        ready = all(name in contents for name in stage.inputs)
        done = pipeline.is_done(stage, folder, {name: contents[name] for name in stage.inputs}) if ready else None
        if done is not None:
            contents[stage.name] = done.content
        size, seconds = sizes[stage.name]
        total += 0 if done is not None else seconds
        expected = "done" if done is not None else _minutes(seconds)
        table.add_row(folder.name, stage.summary, ", ".join(stage.inputs) or "sources", size, expected)
    console.print(table)
    console.print(f"About {_minutes(total)} in all on this machine. Nothing was run.", highlight=False)


app.command()(plans.plan)
app.command()(documents.read)
app.command("filter")(documents.filter_corpus)
app.command()(documents.clean)
app.command()(writing.write)
app.command()(grading.grade)
app.command()(auditing.audit)
app.command()(tracing.trace)


@app.command()
def recipes() -> None:
    """List the recipes that come with Hornbook."""
    table = Table(box=None, pad_edge=False)
    table.add_column("recipe", style="bold")
    table.add_column("what it makes")
    for name, path in available().items():
        table.add_row(name, load(path).description)
    console.print(table)


@app.command()
def report(
    run: Annotated[str, typer.Argument(help="A run folder, or the name of a run in runs/.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print every figure of the page as JSON.")] = False,
) -> None:
    """Show a run's figures: what went in, the score table, where the report card is, or everything as JSON."""
    from hornbook.report.figures import collect, headline
    from hornbook.report.terminal import mixture_table, score_table

    root = run_folder(run)
    figures = collect(root)
    if as_json:
        print(json.dumps(figures, indent=2, ensure_ascii=False))
        return
    for stage, values in figures["stages"].items():
        console.print(
            f"{stage:<9} {escape(headline(stage, values))}  [dim]{values['seconds']:.1f} s[/dim]", highlight=False
        )
    mixed = mixture_table(figures)
    if mixed is not None:
        console.print(mixed)
    if figures["pass_at_1"]:
        console.print(score_table(figures))
    page = next(root.glob("[0-9][0-9]-report/report.html"), None)
    console.print(
        f"Report card: {page}" if page else "The report stage has not run yet.", highlight=False, soft_wrap=True
    )


app.command()(talk.generate)
app.command()(talk.chat)


LONG = "With --suite long"


@app.command()
def evaluate(  # noqa: PLR0913 (one for each option)
    model: MODEL,
    *,
    suite: Annotated[
        str, typer.Option(help="[bold]problems[/bold]: pass@1; [bold]long[/bold]: find, follow, count in long prompts.")
    ] = "problems",
    problems: Annotated[Path | None, typer.Option(help="A problems.jsonl; the model's own run's unless told.")] = None,
    tasks: Annotated[
        str | None, typer.Option(help="Which tasks, such as passkey,variables.", rich_help_panel=LONG)
    ] = None,
    lengths: Annotated[
        str | None, typer.Option(help="Such as 4K,8K; from 512 to the model's context.", rich_help_panel=LONG)
    ] = None,
    depths: Annotated[str | None, typer.Option(help="In percent, such as 0,50,100.", rich_help_panel=LONG)] = None,
    samples: Annotated[int | None, typer.Option(min=1, help="Prompts of each depth.", rich_help_panel=LONG)] = None,
    text: Annotated[
        Path | None, typer.Option(help="A text file or folder to hide things in.", rich_help_panel=LONG)
    ] = None,
    questions: Annotated[
        Path | None, typer.Option(help="A JSONL file of question, answer, paragraph.", rich_help_panel=LONG)
    ] = None,
    into: Annotated[Path | None, typer.Option(help="Where results go, cell by cell.", rich_help_panel=LONG)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print scores and every answer as JSON.")] = False,
    without_isolation: UNSAFE = False,
) -> None:
    """Measure pass@1 on held-out problems, each run in a sandbox; or, with --suite long, how it copes with length."""
    options: dict[str, Any] = {"tasks": tasks, "lengths": lengths, "depths": depths, "samples": samples}
    options |= {"text": text, "questions": questions, "into": into}
    if suite == "long":
        _evaluate_long(model, options, as_json)
    elif suite != "problems":
        raise UserError(f"there is no suite {suite!r}; the suites are problems and long")
    elif any(value is not None for value in options.values()):
        given = ", ".join(f"--{name}" for name, value in options.items() if value is not None)
        raise UserError(f"{given} belongs to the other suite; add --suite long")
    else:
        _evaluate_problems(model, problems, as_json, without_isolation)


def _evaluate_long(model: str, options: dict[str, Any], as_json: bool) -> None:
    from hornbook.evaluate.long.display import long_table
    from hornbook.evaluate.long.settings import from_options
    from hornbook.evaluate.long.suite import run_long_suite
    from hornbook.progress import Progress

    into = options.pop("into") or Path("long-contexts") / re.sub(r"[^\w.-]+", "-", model).strip("-.")
    settings = from_options(options)
    progress = Progress() if as_json else ConsoleProgress(console)
    figures = run_long_suite(model_folder(model), settings, progress, into)
    if as_json:
        print(json.dumps(figures, indent=2, ensure_ascii=False))
        return
    console.print(long_table(figures))
    console.print(f"Every answer: {into}", highlight=False, soft_wrap=True)


def _evaluate_problems(model: str, problems: Path | None, as_json: bool, without_isolation: bool) -> None:
    from hornbook.evaluate.benchmark import EvaluateSettings, HeldOut
    from hornbook.evaluate.evaluate import evaluate_one, in_words
    from hornbook.progress import Progress

    folder = model_folder(model)
    path = problems or _problems_of(folder)
    result = evaluate_one(
        folder,
        HeldOut(problems=path),
        EvaluateSettings(problems=sys.maxsize),  # all that the file holds
        name=folder.name,
        progress=Progress() if as_json else ConsoleProgress(console),
        allow_unisolated=_consent(without_isolation),
    )
    if as_json:
        print(json.dumps(result, indent=2, ensure_ascii=False))
        return
    console.print(f"{folder}: {in_words(result['scores'])}", highlight=False, soft_wrap=True)
    for style in ("completion", "chat"):
        failed = [one for one in result.get(style, []) if not one["passed"]]
        for one in failed[:2]:
            console.print(f"\n[dim]not solved as {style}, {one['wrong']}[/dim]", highlight=False)
            console.print(one["program"], markup=False, highlight=False)


def _problems_of(folder: Path) -> Path:
    """The problems that were held out in the run a model belongs to."""
    for parent in folder.absolute().parents:
        found = next(parent.glob("[0-9][0-9]-write/problems.jsonl"), None)
        if found is not None:
            return found
    raise UserError(f"{folder} belongs to no run; name the problems with --problems FILE")
