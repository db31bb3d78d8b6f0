"""The state a killed run goes on from: weights, optimisers, step, the losses so far; exact to the bit."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from hornbook.files import write_bytes
from hornbook.model.transformer import Transformer

FILE = "state.pt"


def save(
    folder: Path, model: Transformer, optimizers: list[torch.optim.Optimizer], step: int, log: list[dict[str, float]]
) -> None:
    """Store the state after `step` steps, replacing the last one only when the whole file is on disk."""
    buffer = io.BytesIO()
    state = {
        "model": model.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
        "step": step,
        "log": log,
    }
    torch.save(state, buffer)
    write_bytes(folder / FILE, buffer.getvalue())


def restore(
    folder: Path, model: Transformer, optimizers: list[torch.optim.Optimizer]
) -> tuple[int, list[dict[str, float]]]:
    """Load the last state into model and optimisers; returns the number of steps done and their log."""
    path = folder / FILE
    if not path.is_file():
        return 0, []
    state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    model.load_state_dict(state["model"])
    for optimizer, stored in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(stored)
    return state["step"], state["log"]
