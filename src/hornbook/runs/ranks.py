"""Several processes that train one model together, started by `torchrun`.

Rank 0 is the one that a person talks to: it alone runs the command, takes locks, writes results. The others wait until
it begins a stage that is trained on all ranks, do their part of it, and wait again: at a socket, so that whoever shares
their processors has them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.errors import UserError
from hornbook.progress import Progress

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store

    from hornbook.runs.stage import S, Stage, Work

_PATIENCE = timedelta(days=30)  # how long the others wait for rank 0 to read, grade and evaluate


class PartDone(BaseException):
    """The part of a stage that all ranks do is done; the rest is rank 0's."""


def rank() -> int:
    """This process's number among those that train together; 0 for one alone."""
    return _told("RANK", 0) if world() > 1 else 0


def local_rank() -> int:
    """This process's number on its machine."""
    return _told("LOCAL_RANK", rank()) if world() > 1 else 0


def world() -> int:
    """How many processes train together."""
    return _told("WORLD_SIZE", 1)


def here() -> int:
    """How many of them this machine has."""
    return _told("LOCAL_WORLD_SIZE", world())


def _told(variable: str, otherwise: int) -> int:
    value = os.environ.get(variable, "")
    if value and not value.isdecimal():
        raise UserError(f"the environment variable {variable} is {value!r}; torchrun sets it to a whole number")
    return int(value) if value else otherwise


def settle() -> None:
    """Before torch is there: no processor is taken by waiting, and rank 0 has them all while the others wait."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if not rank() and os.environ.get("OMP_NUM_THREADS") == "1":  # which torchrun sets where nobody else has
        del os.environ["OMP_NUM_THREADS"]


@cache
def store() -> Store:
    """Where the ranks meet: the address that `torchrun` names."""
    from torch.distributed.rendezvous import rendezvous

    found: Store = next(iter(rendezvous("env://", timeout=_PATIENCE)))[0]
    return found


class Calls:
    """What rank 0 asks of the others, one call after another."""

    def __init__(self) -> None:
        self._number = 0

    def tell(self, call: Any) -> None:
        """Rank 0's side: a JSON value."""
        store().set(self._next(), json.dumps(call))

    def wait(self) -> Any:
        """The others' side: the next call, however long it takes to come."""
        key = self._next()
        store().wait([key], _PATIENCE)
        return json.loads(store().get(key))

    def _next(self) -> str:
        self._number += 1
        return f"hornbook/call/{self._number}"


_calls = Calls()


def perform(stage: Stage[S], work: Work[S]) -> dict[str, Any]:
    """Have a stage done: by all ranks where it is one that they train together. Returns its figures."""
    if stage.on_ranks and world() > 1:
        _calls.tell(
            {
                "stage": _identity(stage),
                "settings": work.settings.model_dump(mode="json", exclude_unset=True),  # unsaid stays so
                "inputs": {name: str(folder.absolute()) for name, folder in work.inputs.items()},
                "several": {
                    name: {one: str(folder.absolute()) for one, folder in some.items()}
                    for name, some in work.several.items()
                },
                "into": str(work.into.absolute()),
                "base": str(work.base.absolute()),
            }
        )
    return stage.run(work)


def release() -> None:
    """Let the other ranks go home: rank 0 is done."""
    if world() > 1:
        _calls.tell(None)


def _identity(stage: Stage[Any]) -> str:
    """Its module and name: pretraining from nothing and that of a published model have one name."""
    return f"{stage.module}:{stage.name}"


def follow(stages: Iterable[Stage[Any]]) -> None:
    """What a rank other than 0 does, from its start to its end: its part of every stage that rank 0 calls for.

    A mistake of the user's that it finds on the way is rank 0's to tell.
    """
    from hornbook.runs.stage import Work

    known = {_identity(stage): stage for stage in stages}
    while (call := _calls.wait()) is not None:
        stage = known[call["stage"]]
        work = Work(
            stage.settings.model_validate(call["settings"]),
            {name: Path(folder) for name, folder in call["inputs"].items()},
            Path(call["into"]),
            Progress(),
            {name: {one: Path(place) for one, place in some.items()} for name, some in call["several"].items()},
            base=Path(call["base"]),
        )
        try:
            stage.run(work)
        except (PartDone, UserError):
            continue
