"""Generated code where it cannot be isolated: only with the user's word."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.markup import escape

from hornbook.errors import UserError
from hornbook.terminal import errors

UNSAFE = Annotated[
    bool,
    typer.Option(
        "--without-isolation",
        help="Run generated code even where this system cannot isolate it, without asking.",
    ),
]


def consent(given: bool) -> bool:
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
