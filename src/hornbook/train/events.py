"""The figures of a training as TensorBoard's event files, written while it goes on."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

from hornbook.errors import UserError
from hornbook.files import expanded, naming
from hornbook.runs import store
from hornbook.train.settings import TrainSettings

if TYPE_CHECKING:
    from hornbook.train.figures import Entry

S = TypeVar("S", bound=TrainSettings)

_NAME = "events.out.tfevents"  # by which TensorBoard knows its files
_UNSHOWN = ("step", "seconds")  # TensorBoard has both of its own
_VALIDATION = "validation_"


def located(settings: S, into: Path, base: Path) -> S:
    """The settings of a training that makes the folder `into`, with a place for events that is wherever one stands.

    base: where relative paths start. Raises UserError where TensorBoard is not installed, and for a place inside the
    folder.
    """
    if settings.tensorboard is None:
        return settings
    if find_spec("tensorboard") is None:
        raise UserError("the setting tensorboard needs TensorBoard: pip install 'hornbook[tensorboard]'")
    place = (base / expanded(settings.tensorboard)).absolute()
    made = store.place_of(into.absolute())
    if place.is_relative_to(made) or place.is_relative_to(into.absolute()):
        raise UserError(f"tensorboard={settings.tensorboard} lies in {made}, which is to be made; name another")
    return settings.model_copy(update={"tensorboard": str(place)})


class Events:
    """An event file in a folder: `training/loss` and all else that a step tells, `validation/loss` and so on.

    Each line is there as soon as it is told; what the disk refuses is an OSError of whoever tells it, and not of a
    thread, as it would be with PyTorch's SummaryWriter.
    """

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._path, self._records = path, RecordWriter(file)

    @classmethod
    @contextmanager
    def open(cls, folder: str, before: Sequence[Entry]) -> Iterator[Events]:
        """While a training goes on.

        before: the figures up to where it goes on from. What TensorBoard knows of later steps is taken back; where the
        folder has no events yet, these are the first.
        """
        from tensorboard.compat.proto.event_pb2 import SessionLog

        place = Path(folder)
        known = any(place.glob(f"{_NAME}*"))
        first = int(before[-1]["step"]) + 1 if before and known else 0
        path = place / f"{_NAME}.{time.time_ns()}.{os.getpid()}"
        place.mkdir(parents=True, exist_ok=True)
        with path.open("wb", buffering=0) as file:
            events = cls(path, file)
            events._write(file_version="brain.Event:2")
            events._write(step=first, session_log=SessionLog(status=SessionLog.START))
            for entry in () if known else before:
                events.add(entry)
            yield events

    def add(self, entry: Entry) -> None:
        """The figures of a step or a validation."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        measured = any(name.startswith(_VALIDATION) for name in entry)
        values = [
            Summary.Value(
                tag=f"validation/{name.removeprefix(_VALIDATION)}" if measured else f"training/{name}",
                simple_value=figure,
            )
            for name, figure in entry.items()
            if name not in _UNSHOWN and (not measured or name.startswith(_VALIDATION))
        ]
        self._write(step=int(entry["step"]), summary=Summary(value=values))

    def _write(self, **what: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        with naming(self._path):
            self._records.write(Event(wall_time=time.time(), **what).SerializeToString())
