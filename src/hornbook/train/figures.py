"""What a training tells while it goes on: a line of JSON for each step, written as soon as the step is done."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hornbook.files import naming, read_jsonl, write_jsonl
from hornbook.runs import ranks
from hornbook.runs.manifest import FIGURES

Entry = dict[str, float]
Log = list[Entry]

TIMES = ("seconds", "tokens_per_second")  # other in each run


class Figures:
    """The figures of a training in `into/training/figures.jsonl`. Rank 0 alone writes.

    before: those of the steps up to the state that the training goes on from. The file holds these and no others when
    it is opened: lines of later steps, which are done again, go, and so does half a line.
    """

    def __init__(self, into: Path, before: Sequence[Entry]) -> None:
        self.log: Log = list(before)
        self._seconds = before[-1].get("seconds", 0.0) if before else 0.0
        self._began = time.monotonic()
        self._path = into / FIGURES

    @contextmanager
    def open(self) -> Iterator[None]:
        """While the training goes on."""
        if ranks.rank():
            yield
            return
        write_jsonl(self._path, map(_written, self.log))
        with self._path.open("a", encoding="utf-8", buffering=1) as self._file:
            yield

    def add(self, entry: Entry) -> None:
        """One more line; `seconds` of work since the training began, whoever stopped it between, are added to it."""
        entry["seconds"] = round(self._seconds + time.monotonic() - self._began, 3)
        self.log.append(entry)
        if not ranks.rank():
            with naming(self._path):
                self._file.write(json.dumps(_written(entry)) + "\n")

    @property
    def steps(self) -> Log:
        """What the steps were, without what differs from run to run."""
        return [{name: figure for name, figure in entry.items() if name not in TIMES} for entry in self.log]


def _written(entry: Entry) -> dict[str, float | None]:
    """An entry as JSON can hold it."""
    return {name: figure if math.isfinite(figure) else None for name, figure in entry.items()}


def columns(folder: Path) -> dict[str, list[float]]:
    """The figures of a stage's folder by name, one for each step."""
    steps = read(folder)
    return {name: [step[name] for step in steps] for name in (steps[0] if steps else ())}


def read(folder: Path) -> Log:
    """The figures in a stage's folder, without what differs from run to run; none where it has no such file."""
    path = folder / FIGURES
    lines = read_jsonl(path) if path.is_file() else ()
    return [{name: figure for name, figure in line.items() if name not in TIMES} for line in lines]
