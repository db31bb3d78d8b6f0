"""What a person sees while a stage works: a bar on a terminal, sparse lines in a log, nothing in a test."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress


class Task:
    """One bar: how far the work is, and a short note beside it (a loss, a rate)."""

    def advance(self, amount: float = 1) -> None:
        """Count `amount` more units as done."""

    def note(self, text: str) -> None:
        """Show `text` beside the bar."""


class Progress:
    """The silent one, for tests and for callers that want no output. Its subclasses show something."""

    @contextmanager
    def task(self, label: str, total: float | None = None, done: float = 0) -> Iterator[Task]:
        """A piece of work of `total` units (None: unknown), of which `done` were done before this process started."""
        yield Task()

    def say(self, text: str) -> None:
        """Print one line (rich markup allowed) without disturbing the bars."""


class _BarTask(Task):
    def __init__(self, bars: RichProgress, task: TaskID) -> None:
        self._bars, self._task = bars, task

    def advance(self, amount: float = 1) -> None:
        self._bars.advance(self._task, amount)

    def note(self, text: str) -> None:
        self._bars.update(self._task, note=text)


class _LineTask(Task):
    """For a log: one line every `period` seconds."""

    def __init__(self, console: Console, label: str, total: float | None, done: float, period: float = 15.0) -> None:
        self._console, self._label, self._total, self._done, self._period = console, label, total, done, period
        self._text, self._printed = "", time.monotonic()

    def advance(self, amount: float = 1) -> None:
        self._done += amount
        self._maybe_print()

    def note(self, text: str) -> None:
        self._text = text
        self._maybe_print()

    def _maybe_print(self) -> None:
        if time.monotonic() - self._printed < self._period:
            return
        self._printed = time.monotonic()
        share = f"{100 * self._done / self._total:3.0f}%" if self._total else f"{self._done:g}"
        self._console.print(f"  {self._label} {share} {self._text}", markup=False, highlight=False, soft_wrap=True)


class ConsoleProgress(Progress):
    """Bars with time left on a terminal; on a pipe or in a log, a line now and then."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(file=sys.stdout)

    @contextmanager
    def task(self, label: str, total: float | None = None, done: float = 0) -> Iterator[Task]:
        """See `Progress.task`. Where there is nothing to do there is nothing to see."""
        if total == 0:
            yield Task()
            return
        if not self.console.is_terminal:
            yield _LineTask(self.console, label, total, done)
            return
        columns = (
            TextColumn("  {task.description}", markup=False),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with RichProgress(*columns, console=self.console, transient=True) as bars:
            yield _BarTask(bars, bars.add_task(label, total=total, completed=int(done), note=""))

    def say(self, text: str) -> None:
        """See `Progress.say`."""
        self.console.print(text, highlight=False, soft_wrap=True)
