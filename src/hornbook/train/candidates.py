"""Weights kept on the way, of which the best ones, or the mean, are what a phase ends with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from hornbook.errors import UserError
from hornbook.files import seal, sealed, whole
from hornbook.model.transformer import Transformer


def steps_of(first: int, steps: int, count: int) -> list[int]:
    """After how many steps of a training the `count` candidates of a phase are kept, evenly; the last is its end."""
    return sorted({first + round(steps * (at + 1) / count) for at in range(count)} - {first})


class Candidates:
    """A phase's candidates, in files of a stage's scratch folder."""

    def __init__(self, scratch: Path, name: str) -> None:
        self._scratch, self._folder = scratch, scratch / "candidates" / name

    def keep(self, model: Transformer, step: int) -> None:
        """Store the weights that the model has after `step` steps."""
        path = self._path(step)
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as temporary:
            save_file({name: one.detach().cpu().contiguous() for name, one in _trained(model)}, temporary)
        seal(path, self._scratch)

    def average(self, model: Transformer, steps: list[int]) -> None:
        """Give the model the mean of its weights after each of these steps (Izmailov et al. 2018), taken in fp64."""
        self._load(model, [self._read(step) for step in steps])

    def load(self, model: Transformer, step: int) -> None:
        """Give the model the weights that it had after `step` steps."""
        self._load(model, [self._read(step)])

    def forget(self, kept: int) -> None:
        """Delete all but those of one step."""
        for path in self._folder.glob("*.safetensors"):
            if path != self._path(kept):
                path.unlink()

    def _path(self, step: int) -> Path:
        return self._folder / f"{self._folder.name}-{step}.safetensors"

    def _read(self, step: int) -> Path:
        path = self._path(step)
        if not sealed(path, self._scratch):
            raise UserError(f"{path} is damaged; delete {self._scratch.parent} and start again")
        return path

    @staticmethod
    def _load(model: Transformer, paths: list[Path]) -> None:
        weights = [load_file(path) for path in paths]
        with torch.no_grad():
            for name, parameter in _trained(model):
                if len(weights) == 1:
                    parameter.copy_(weights[0][name])
                else:
                    parameter.copy_(torch.stack([one[name].double() for one in weights]).mean(0))


def _trained(model: Transformer) -> Iterator[tuple[str, Tensor]]:
    """What training moves: under an adapter, not its base."""
    return ((name, one) for name, one in model.named_parameters() if one.requires_grad)
