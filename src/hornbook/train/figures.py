"""What a training tells while it goes on: a line of JSON for each step and each validation, as soon as it is done."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from hornbook.files import naming, read_jsonl, write_text
from hornbook.runs import ranks
from hornbook.runs.manifest import FIGURES
from hornbook.train.events import Events

Entry = dict[str, float]
Log = list[Entry]
Measured = dict[str, list[float | None]]
"""What was measured, by name; None for what was no number."""

VALIDATION_LOSS = "validation_loss"
PRECISION = "fp32"  # of all that is measured
TIMES = ("seconds", "tokens_per_second")  # other in each run


class Figures:
    """The figures of a training in `into/training/figures.jsonl`. Rank 0 alone writes.

    before: those of the steps up to the state that the training goes on from. The file holds these and no others when
    it is opened: lines of later steps, which are done again, go, and so does half a line.
    tensorboard: the folder where they are events, too.
    """

    def __init__(self, into: Path, before: Sequence[Entry], tensorboard: str | None = None) -> None:
        self.log: Log = list(before)
        self._seconds = before[-1].get("seconds", 0.0) if before else 0.0
        self._began = time.monotonic()
        self._path = into / FIGURES
        self._tensorboard = tensorboard
        self._events: Events | None = None

    @contextmanager
    def open(self) -> Iterator[None]:
        """While the training goes on."""
        if ranks.rank():
            yield
            return
        write_text(self._path, "".join(map(_line, self.log)))
        events = Events.open(self._tensorboard, self.log) if self._tensorboard else nullcontext()
        with self._path.open("a", encoding="utf-8", buffering=1) as self._file, events as self._events:
            yield

    def add(self, entry: Entry) -> None:
        """One more line; `seconds` of work since the training began, whoever stopped it between, are added to it."""
        entry["seconds"] = round(self._seconds + time.monotonic() - self._began, 3)
        self.log.append(entry)
        if not ranks.rank():
            with naming(self._path):
                self._file.write(_line(entry))
            if self._events is not None:
                self._events.add(entry)

    @contextmanager
    def step(self, tokens: int, computed: int) -> Iterator[Entry]:
        """Around a step of so many tokens, the last of those that all steps up to it computed: its figures go in."""
        entry, began = Entry(), time.monotonic()
        yield entry
        rate = tokens / max(time.monotonic() - began, 1e-9)
        self.add({**entry, "tokens": computed, "tokens_per_second": round(rate, 1)})

    @property
    def steps(self) -> Log:
        """What the steps were, without what differs from run to run."""
        return _same(entry for entry in self.log if VALIDATION_LOSS not in entry)

    @property
    def validations(self) -> Log:
        """What was measured on the way."""
        return [entry for entry in self.log if VALIDATION_LOSS in entry]


def _same(entries: Iterable[Entry]) -> Log:
    return [{name: figure for name, figure in entry.items() if name not in TIMES} for entry in entries]


def _line(entry: Entry) -> str:
    told = {name: figure if math.isfinite(figure) else None for name, figure in entry.items()}
    return json.dumps(told | ({"precision": PRECISION} if VALIDATION_LOSS in entry else {})) + "\n"


def columns(folder: Path) -> dict[str, list[float]]:
    """The figures of a stage's folder by name, one for each step."""
    entries = [entry for entry in read(folder) if VALIDATION_LOSS not in entry]
    return {name: [entry[name] for entry in entries] for name in _names(entries)}


def validations(folder: Path) -> Measured:
    """What was measured of a training on rows held out, by name, one for each time."""
    entries = [entry for entry in read(folder) if VALIDATION_LOSS in entry]
    return {name: [entry[name] for entry in entries] for name in _names(entries)}


def _names(entries: Log) -> list[str]:
    return [name for name in (entries[0] if entries else ()) if name != "precision"]


def loss_told(loss: float | None, digits: int = 2) -> str:
    """A loss for people; it may be no number where a model knows nothing of what it is measured on."""
    return "no number" if loss is None else f"{loss:.{digits}f}"


def read(folder: Path) -> Log:
    """The figures in a stage's folder, without what differs from run to run; none where it has no such file."""
    path = folder / FIGURES
    lines = read_jsonl(path) if path.is_file() else ()
    return _same(lines)
