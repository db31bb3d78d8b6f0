"""The command line, put together: every command stands in `commands/`, most of them follow from a stage.

A command's module is imported when it is called, and all of them for `--help`: to import every one takes longer than to
open a small model and answer with it.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, MutableMapping
from importlib import import_module
from typing import Annotated, Any, TextIO

import typer
from typer.core import TyperGroup

import hornbook
from hornbook.errors import Notice, UserError, is_lack_of_memory, of_system
from hornbook.runs import ranks
from hornbook.terminal import console, errors, in_markup, settle_streams

# Module and function, or group, of each command in the order of `hornbook --help`: recipes, then the stages in their
# order, then what is done with what they made.
COMMANDS = {
    "run": "run:run",
    "recipes": "run:recipes",
    "plan": "plan:plan",
    "study": "study:study",
    "optimise": "optimise:optimise",
    "read": "documents:read",
    "filter": "of_stages:filter_documents",
    "grade": "grade:grade",
    "write": "write:write",
    "clean": "documents:clean",
    "tokens": "of_stages:tokens",
    "pretrain": "pretrain:pretrain",
    "sft": "of_stages:sft",
    "dpo": "of_stages:dpo",
    "evaluate": "evaluate:evaluate",
    "compare": "compare:compare",
    "redteam": "redteam:redteam",
    "quantize": "of_stages:quantize",
    "export": "export:export",
    "samples": "of_stages:samples",
    "merge": "model:merge",
    "generate": "talk:generate",
    "chat": "talk:chat",
    "serve": "serve:serve",
    "report": "report:report",
    "show": "show:show",
    "audit": "audit:audit",
    "trace": "trace:trace",
    "verify": "verify:verify",
    "model": "model:app",
    "longrope": "longrope:app",
}


def declared(name: str) -> Callable[..., Any] | typer.Typer:
    """The function of a command, or the group that its name stands for; its module is imported."""
    module, _, attribute = COMMANDS[name].partition(":")
    found: Callable[..., Any] | typer.Typer = getattr(import_module(f"hornbook.commands.{module}"), attribute)
    return found


def _alone(name: str, command: Callable[..., Any]) -> typer.Typer:
    app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
    app.command(name)(command)
    return app


class _Commands(MutableMapping[str, Any]):
    """The commands by name, each made of its declaration when it is asked for."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = dict.fromkeys(COMMANDS)

    def __getitem__(self, name: str) -> Any:
        if self._made[name] is None:
            found = declared(name)
            group = found if isinstance(found, typer.Typer) else _alone(name, found)
            self._made[name] = typer.main.get_command(group)
            self._made[name].name = name
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        del self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)


class _Group(TyperGroup):
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Commands()

    def list_commands(self, ctx: Any) -> list[str]:
        """The names in their order; none of them is imported for it."""
        return list(self.commands)


_show_others = warnings.showwarning

app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Make small language models the phi way: textbook-quality data in, a model that fits in a pocket out.\n\n"
    "Start with [bold]hornbook run pocket[/bold]: in minutes, on two cores, it reads, grades, writes, cleans, trains, "
    "evaluates and quantizes, and leaves a model to chat with and a report card that shows what each step did.",
)


def main() -> None:
    """Entry point: what a user can mend, and what the system refuses, end in one line and exit code 2."""
    settle_streams()
    warnings.showwarning = _show_warning
    if ranks.world() > 1:
        ranks.settle()
    if ranks.rank():
        from hornbook.recipe import STAGES
        from hornbook.train.further import FURTHER

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
