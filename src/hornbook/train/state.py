"""The state a killed run goes on from: weights, optimisers, step, the losses so far; exact to the bit, or not used.

One process keeps it in a file. Ranks that train together each keep their part of it in a folder, as
`torch.distributed.checkpoint` lays it out: any number of ranks, one among them, goes on from there.
"""

from __future__ import annotations

import io
import json
import shutil
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.checkpoint import state_dict_loader, state_dict_saver
from torch.distributed.checkpoint.filesystem import FileSystemReader
from torch.distributed.checkpoint.metadata import TensorStorageMetadata
from torch.distributed.tensor import DTensor, distribute_tensor

from hornbook.files import checked_writer, digest_file, read_checked, write_checked
from hornbook.model.transformer import Transformer
from hornbook.runs import ranks

FILE = "state.pt"
SHARDED = "state.json"  # names the folder of parts, with their sums
OPTIMIZER = "optimizer"


_SAVING = 30  # times as long as storing a state took, training goes on before the next: a large one takes a while


class Pace:
    """When to store a state: every so many seconds, and at most a thirtieth of the time; 0 is whenever it may be."""

    def __init__(self, seconds: float) -> None:
        self._seconds = self._pause = seconds
        self._stored = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether it is time again."""
        return time.monotonic() - self._stored > self._pause

    @contextmanager
    def storing(self) -> Iterator[None]:
        """Around the storing."""
        began = time.monotonic()
        yield
        self._stored = time.monotonic()
        self._pause = self._seconds and max(self._seconds, _SAVING * (self._stored - began))


def save(
    folder: Path,
    model: Transformer,
    optimizers: list[torch.optim.Optimizer],
    step: int,
    log: list[dict[str, float]],
    made: Mapping[str, str],
) -> None:
    """Store the state after `step` steps, replacing the last one only when the whole of it is on disk.

    Of the model that is what is trained: an adapter's base lies in its own folder.
    made: the hashes of what the training has written beside it, by the path from the folder above. All ranks call it.
    """
    told = {"step": step, "log": log, "made": dict(made)}
    if ranks.world() > 1:
        _save_parts(folder, _tensors(model, optimizers), told)
        return
    whole = {"model": _trained(model), "optimizers": [optimizer.state_dict() for optimizer in optimizers], **told}
    with checked_writer(folder / FILE) as file:
        torch.save(whole, cast("IO[bytes]", file))  # it needs no more than `write` and `flush`
    _forget(folder, FILE)


def _trained(model: Transformer) -> dict[str, Any]:
    return {name: tensor for name, tensor in model.state_dict(keep_vars=True).items() if tensor.requires_grad}


def _save_parts(folder: Path, tensors: dict[str, Any], told: dict[str, Any]) -> None:
    name = f"state-{told['step']}"
    if not ranks.rank():
        shutil.rmtree(folder / name, ignore_errors=True)
    dist.barrier()
    state_dict_saver.save(tensors, checkpoint_id=folder / name)
    own = {path.name: digest_file(path) for path in (folder / name).glob(f"__{ranks.rank()}_*")}
    sums: list[dict[str, str]] = [{} for _ in range(ranks.world())]
    dist.all_gather_object(sums, own)
    if not ranks.rank():
        parts = {part: digest for one in sums for part, digest in one.items()}
        parts[".metadata"] = digest_file(folder / name / ".metadata")
        write_checked(folder / SHARDED, json.dumps({**told, "folder": name, "parts": parts}).encode())
        _forget(folder, name)
    dist.barrier()


def _forget(folder: Path, kept: str) -> None:
    """Delete the states before the one that is `kept`."""
    if kept == FILE:
        (folder / SHARDED).unlink(missing_ok=True)
    else:
        (folder / FILE).unlink(missing_ok=True)
    for before in folder.glob("state-*"):
        if before.name != kept:
            shutil.rmtree(before, ignore_errors=True)


@dataclass(frozen=True)
class Restored:
    """How far a training is. damage: what is wrong with a state that is there and was not used."""

    step: int = 0
    log: list[dict[str, float]] = field(default_factory=list)
    made: dict[str, str] = field(default_factory=dict)
    damage: str = ""


def restore(folder: Path, model: Transformer, optimizers: list[torch.optim.Optimizer]) -> Restored:
    """Load the last state into model and optimisers; one with a wrong bit, in it or in what was made, is not used.

    It may be that of another number of ranks. All ranks call it.
    """
    if (folder / SHARDED).is_file():
        return _restore_parts(folder, model, optimizers)
    path = folder / FILE
    if not path.is_file():
        return Restored()
    stored = read_checked(path)
    if stored is None:
        return Restored(damage=f"{path} is damaged")
    state: dict[str, Any] = torch.load(io.BytesIO(stored), weights_only=True, map_location="cpu")
    damaged = _damaged(folder, state["made"])
    if damaged is not None:
        return Restored(damage=f"{damaged} is damaged")
    if ranks.world() == 1:
        model.load_state_dict(state["model"], strict=False)
        for optimizer, kept in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
    else:
        _spread(state, model, optimizers)
    return Restored(state["step"], state["log"], state["made"])


def _damaged(folder: Path, made: Mapping[str, str]) -> Path | None:
    """What of the files that the training wrote beside its state is not what it wrote."""
    places = {folder.parent / name: digest for name, digest in made.items()}
    return next(
        (place for place, digest in places.items() if not place.is_file() or digest_file(place) != digest), None
    )


def _restore_parts(folder: Path, model: Transformer, optimizers: list[torch.optim.Optimizer]) -> Restored:
    stored = read_checked(folder / SHARDED)
    if stored is None:
        return Restored(damage=f"{folder / SHARDED} is damaged")
    told = json.loads(bytes(stored))
    parts = sorted(told["parts"].items())[ranks.rank() :: ranks.world()]
    wrong = [
        str(folder / told["folder"] / part) for part, digest in parts if not _is(folder / told["folder"] / part, digest)
    ]
    wrong += [str(place) for place in [_damaged(folder, told["made"])] if place is not None]
    if ranks.world() > 1:
        everyone: list[list[str]] = [[] for _ in range(ranks.world())]
        dist.all_gather_object(everyone, wrong)
        wrong = [one for some in everyone for one in some]
    if wrong:
        return Restored(damage=f"{wrong[0]} is damaged")
    tensors = _tensors(model, optimizers)
    reader = FileSystemReader(folder / told["folder"])
    _prepare(reader.read_metadata().state_dict_metadata, tensors, model, optimizers)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.distributed is disabled")  # one process goes on where ranks were
        state_dict_loader.load(tensors, storage_reader=reader, no_dist=ranks.world() == 1)
    return Restored(told["step"], told["log"], told["made"])


def _is(path: Path, digest: str) -> bool:
    return path.is_file() and digest_file(path) == digest


def _tensors(model: Transformer, optimizers: Sequence[torch.optim.Optimizer]) -> dict[str, Any]:
    """Weights by name, and the optimisers' state by theirs: "optimizer.0.momentum.blocks.1.mlp.down.weight"."""
    found: dict[str, Any] = _trained(model)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    for number, optimizer in enumerate(optimizers):
        for parameter, kept in optimizer.state.items():
            for key, value in kept.items():
                found[f"{OPTIMIZER}.{number}.{key}.{names[id(parameter)]}"] = value
    return found


def _prepare(
    stored: Mapping[str, Any],
    tensors: dict[str, Any],
    model: Transformer,
    optimizers: Sequence[torch.optim.Optimizer],
) -> None:
    """Give the optimisers, and `tensors`, room for what of their state is stored."""
    parameters = dict(model.named_parameters())
    for name, described in stored.items():
        if not name.startswith(f"{OPTIMIZER}.") or not isinstance(described, TensorStorageMetadata):
            continue
        number, key, parameter_name = name.removeprefix(f"{OPTIMIZER}.").split(".", maxsplit=2)
        parameter = parameters[parameter_name]
        same = described.size == parameter.shape
        made = torch.zeros_like(parameter) if same else torch.zeros(described.size, dtype=described.properties.dtype)
        optimizers[int(number)].state[parameter][key] = tensors[name] = made


def _spread(state: Mapping[str, Any], model: Transformer, optimizers: Sequence[torch.optim.Optimizer]) -> None:
    """Load the state of one process into ranks: each takes its rows."""
    there = model.state_dict()
    with torch.no_grad():
        for name, value in state["model"].items():
            there[name].copy_(_like(there[name], value))
    for optimizer, kept in zip(optimizers, state["optimizers"], strict=True):
        order = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        for number, values in kept["state"].items():
            parameter = order[number]
            optimizer.state[parameter] = {
                key: _like(parameter, value) if value.shape == parameter.shape else value
                for key, value in values.items()
            }


def _like(there: Tensor, value: Tensor) -> Tensor:
    """A whole tensor as shards where those that are there are."""
    if not isinstance(there, DTensor):
        return value
    return distribute_tensor(value.to(there.device), there.device_mesh, there.placements, src_data_rank=None)
