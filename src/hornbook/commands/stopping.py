"""Ctrl-C at a command that can go on later."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console


@contextmanager
def stoppable(console: Console) -> Iterator[None]:
    """Work that Ctrl-C stops with one line and exit code 130; the same command goes on from there."""
    try:
        yield
    except KeyboardInterrupt:
        console.print("\nStopped. The same command goes on from here.", highlight=False)
        raise typer.Exit(130) from None
