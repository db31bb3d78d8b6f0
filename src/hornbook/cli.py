"""The command line, put together: every command stands in `commands/`, most of them follow from a stage."""

from __future__ import annotations

import sys
import warnings
from typing import Annotated, TextIO

import typer

import hornbook
from hornbook.commands import (
    audit,
    compare,
    documents,
    evaluate,
    export,
    grade,
    longrope,
    model,
    optimise,
    plan,
    pretrain,
    redteam,
    report,
    run,
    serve,
    show,
    study,
    talk,
    trace,
    verify,
    write,
)
from hornbook.commands.stages import command_of
from hornbook.errors import Notice, UserError, is_lack_of_memory, of_system
from hornbook.recipe import STAGES
from hornbook.runs import ranks
from hornbook.terminal import console, errors, in_markup, settle_streams
from hornbook.train.further import FURTHER

_show_others = warnings.showwarning

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Make small language models the phi way: textbook-quality data in, a model that fits in a pocket out.\n\n"
    "Start with [bold]hornbook run pocket[/bold]: in minutes, on two cores, it reads, grades, writes, cleans, trains, "
    "evaluates and quantizes, and leaves a model to chat with and a report card that shows what each step did.",
)

app.add_typer(model.app, name="model")
app.add_typer(longrope.app, name="longrope")


def main() -> None:
    """Entry point: what a user can mend, and what the system refuses, end in one line and exit code 2."""
    settle_streams()
    warnings.showwarning = _show_warning
    if ranks.world() > 1:
        ranks.settle()
    if ranks.rank():
        ranks.follow([*STAGES.values(), FURTHER])
        return
    try:
        app()
    except UserError as error:
        _end(str(error))
    except OSError as error:
        _end(of_system(error))
    except (MemoryError, RuntimeError) as error:
        if not is_lack_of_memory(error):
            raise
        _end("there is not enough memory; a smaller batch, micro_batch or model takes less")
    finally:
        ranks.release()


def _end(told: str) -> None:
    errors.print(f"[bold red]error:[/bold red] {in_markup(told)}", soft_wrap=True, highlight=False)
    sys.exit(2)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a Notice in one line; other warnings are printed as Python prints them."""
    if issubclass(category, Notice):
        errors.print(f"[yellow]note:[/yellow] {in_markup(str(message))}", soft_wrap=True, highlight=False)
    else:
        _show_others(message, category, filename, lineno, file, line)


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


# In the order of `hornbook --help`: recipes, then the stages in their order, then what is done with what they made.
app.command()(run.run)
app.command()(run.recipes)
app.command()(plan.plan)
app.command()(study.study)
app.command()(optimise.optimise)
app.command()(documents.read)
app.command()(
    command_of(
        STAGES["filter"],
        "filtered",
        "corpus",
        "Drop documents in the wrong language or against the rules, and mask what is private. All is counted.",
    )
)
app.command()(grade.grade)
app.command()(write.write)
app.command()(documents.clean)
app.command()(
    command_of(STAGES["tokens"], "tokens", "tokens", "Train a tokenizer on a corpus and pack its documents as ids.")
)
app.command()(pretrain.pretrain)
app.command()(command_of(STAGES["sft"], "tuned", "model", "Teach a model to answer in a conversation."))
app.command()(command_of(STAGES["dpo"], "preferring", "model", "Teach a model which of two answers is better (DPO)."))
app.command()(evaluate.evaluate)
app.command()(compare.compare)
app.command()(redteam.redteam)
app.command()(command_of(STAGES["quantize"], "quantized", "model", "Shrink a model to a few bits a weight."))
app.command()(export.export)
app.command()(command_of(STAGES["samples"], "samples", "samples", "Let models go on from openings."))
longrope.app.command()(
    command_of(STAGES["measure"], "measured", "figures", "Perplexity by length and passkeys, before and after.")
)
app.command()(model.merge)
app.command()(talk.generate)
app.command()(talk.chat)
app.command()(serve.serve)
app.command()(report.report)
app.command()(show.show)
app.command()(audit.audit)
app.command()(trace.trace)
app.command()(verify.verify)
