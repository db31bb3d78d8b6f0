"""Ctrl-C at a command that can go on later."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console


@contextmanager
def stoppable(console: Console, *, goes_on: bool = True) -> Iterator[None]:
    """Work that Ctrl-C stops with one line and exit code 130; the same command goes on from there, or starts over."""
    try:
        yield
    except KeyboardInterrupt:
        told = "goes on from here" if goes_on else "starts over"
        console.print(f"\nStopped. The same command {told}.", highlight=False)
        raise typer.Exit(130) from None
