"""The state a killed run goes on from: weights, optimisers, step, the losses so far; exact to the bit, or not used."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from hornbook.files import digest_file, read_checked, write_checked
from hornbook.model.transformer import Transformer

FILE = "state.pt"


def save(
    folder: Path,
    model: Transformer,
    optimizers: list[torch.optim.Optimizer],
    step: int,
    log: list[dict[str, float]],
    made: Mapping[str, str],
) -> None:
    """Store the state after `step` steps, replacing the last one only when the whole file is on disk.

    Of the model that is what is trained: an adapter's base lies in its own folder.
    made: the hashes of what the training has written beside it, by the path from the folder above.
    """
    buffer = io.BytesIO()
    state = {
        "model": {name: tensor for name, tensor in model.state_dict(keep_vars=True).items() if tensor.requires_grad},
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
        "step": step,
        "log": log,
        "made": dict(made),
    }
    torch.save(state, buffer)
    write_checked(folder / FILE, buffer.getbuffer())


@dataclass(frozen=True)
class Restored:
    """How far a training is. damage: what is wrong with a state that is there and was not used."""

    step: int = 0
    log: list[dict[str, float]] = field(default_factory=list)
    made: dict[str, str] = field(default_factory=dict)
    damage: str = ""


def restore(folder: Path, model: Transformer, optimizers: list[torch.optim.Optimizer]) -> Restored:
    """Load the last state into model and optimisers; one with a wrong bit, in it or in what was made, is not used."""
    path = folder / FILE
    if not path.is_file():
        return Restored()
    stored = read_checked(path)
    if stored is None:
        return Restored(damage=f"{path} is damaged")
    state: dict[str, Any] = torch.load(io.BytesIO(stored), weights_only=True, map_location="cpu")
    for name, digest in state["made"].items():
        place = folder.parent / name
        if not place.is_file() or digest_file(place) != digest:
            return Restored(damage=f"{place} is damaged")
    model.load_state_dict(state["model"], strict=False)
    for optimizer, kept in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(kept)
    return Restored(state["step"], state["log"], state["made"])
