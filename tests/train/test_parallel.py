"""One, two and four processes train the same model; killed, and gone on with by another number of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.train.on_ranks import start, train

SETTINGS: dict[str, Any] = {"batch": 6, "compile": False, "checkpoint_seconds": 1000, "learning_rate": 1e-2}


def trained(world: int, into: Path, settings: dict[str, Any], shape: dict[str, Any] | None = None) -> dict[str, Any]:
    """What `world` processes make; one is this one."""
    into.mkdir(parents=True, exist_ok=True)
    if world == 1:
        train(SETTINGS | settings, into, shape or {})
    else:
        assert start(world, train, SETTINGS | settings, into, shape or {}) == [0] * world
    return torch.load(into / "trained.pt")


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_one_two_and_four_processes_train_alike(optimizer: str, tmp_path: Path) -> None:
    one = trained(1, tmp_path / "1", {"optimizer": optimizer})
    for world in (2, 4):
        made = trained(world, tmp_path / f"{world}", {"optimizer": optimizer})
        for name, gradient in one["gradients"].items():
            torch.testing.assert_close(made["gradients"][name], gradient, rtol=1e-11, atol=1e-15)
        for name, weight in one["weights"].items():
            torch.testing.assert_close(made["weights"][name], weight, rtol=0, atol=1e-9)
        assert [entry["loss"] for entry in made["log"]] == pytest.approx([entry["loss"] for entry in one["log"]])
