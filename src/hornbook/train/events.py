"""The figures of a training as TensorBoard's event files, written while it goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from hornbook.errors import UserError
from hornbook.runs import store
from hornbook.train.settings import TrainSettings

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

    from hornbook.train.figures import Entry

S = TypeVar("S", bound=TrainSettings)

_SECONDS = 5  # until what was written can be seen
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
    place = (base / Path(settings.tensorboard).expanduser()).absolute()
    made = store.place_of(into.absolute())
    if place.is_relative_to(made) or place.is_relative_to(into.absolute()):
        raise UserError(f"tensorboard={settings.tensorboard} lies in {made}, which is to be made; name another")
    return settings.model_copy(update={"tensorboard": str(place)})


class Events:
    """An event file in a folder: `training/loss` and all else that a step tells, `validation/loss` and so on."""

    def __init__(self, writer: SummaryWriter) -> None:
        self._writer = writer

    @classmethod
    @contextmanager
    def open(cls, folder: str, before: Sequence[Entry]) -> Iterator[Events]:
        """While a training goes on.

        before: the figures up to where it goes on from. What TensorBoard knows of later steps is taken back; where the
        folder has no events yet, these are the first.
        """
        from torch.utils.tensorboard import SummaryWriter

        place = Path(folder)
        known = any(place.glob("events.out.tfevents.*"))
        first = int(before[-1]["step"]) + 1 if before and known else 0
        with SummaryWriter(folder, purge_step=first, flush_secs=_SECONDS) as writer:
            events = cls(writer)
            for entry in () if known else before:
                events.add(entry)
            yield events

    def add(self, entry: Entry) -> None:
        """The figures of a step or a validation."""
        measured = any(name.startswith(_VALIDATION) for name in entry)
        for name, figure in entry.items():
            if name not in _UNSHOWN and (not measured or name.startswith(_VALIDATION)):
                tag = f"validation/{name.removeprefix(_VALIDATION)}" if measured else f"training/{name}"
                self._writer.add_scalar(tag, figure, int(entry["step"]))
