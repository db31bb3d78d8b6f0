"""The training loop: the same for every objective, stoppable at any moment, resumable to the bit."""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from hornbook.errors import UserError
from hornbook.files import write_json
from hornbook.machine import Choice
from hornbook.model.transformer import Transformer
from hornbook.progress import Progress
from hornbook.train import optimizers as optim
from hornbook.train import state
from hornbook.train.settings import TrainSettings

Batch = Mapping[str, Tensor]
Log = list[dict[str, float]]


class Objective(Protocol):
    """What is learnt: batches that depend on the step's number alone, and a loss that adds up over their parts."""

    steps: int
    tokens_per_step: int

    def batch(self, step: int) -> Batch:
        """The batch of step `step`, the same whenever it is asked for."""

    def cut(self, batch: Batch, rows: int) -> Iterator[Batch]:
        """The batch cut into parts of at most `rows` rows."""

    def loss(self, model: Transformer, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """What a batch, or a part of one, adds to the scalar to minimise, and to the figures to log beside it."""


def split(batch: Batch, rows: int) -> Iterator[Batch]:
    """Cut each tensor along its first dimension; numbers (no dimension), of the whole batch, go with each part."""
    most = max(len(tensor) for tensor in batch.values() if tensor.ndim)
    for start in range(0, most, rows):
        yield {name: tensor[start : start + rows] if tensor.ndim else tensor for name, tensor in batch.items()}


def train(
    model: Transformer,
    objective: Objective,
    settings: TrainSettings,
    *,
    machine: Choice,
    work: Path,
    label: str,
    progress: Progress,
    milestones: Mapping[int, Callable[[], None]] | None = None,
) -> Log:
    """Train `model` in place and return one log entry a step (step, loss, rate, and the objective's figures).

    The state lies in `work`; called again after a kill, the run goes on and ends with the same weights to the last bit.
    `milestones` are called after the given number of steps, at least once each, with the model as it is then.
    """
    model.to(machine.device).train()
    model.compute = machine.compute
    optimizers = optim.build(model, settings, machine.compute)
    done, log = state.restore(work, model, optimizers)
    if machine.compile:
        for block in model.blocks:
            # One block's code serves all blocks: a fraction of the time that compiling the whole model takes.
            block.compile()
    gc.collect()
    gc.freeze()
    try:
        began = stored = time.monotonic()
        with progress.task(label, objective.steps * objective.tokens_per_step, done * objective.tokens_per_step) as bar:
            for step in range(done, objective.steps):
                try:
                    entry = _step(model, objective, settings, optimizers, machine, step)
                except KeyboardInterrupt:
                    # The step may be half done: what lies on disk is the last whole state, the run goes on from there.
                    raise KeyboardInterrupt(f"stopped at step {step} of {objective.steps}") from None
                log.append(entry)
                if milestones and step + 1 in milestones:
                    milestones[step + 1]()
                bar.advance(objective.tokens_per_step)
                rate = (step + 1 - done) * objective.tokens_per_step / (time.monotonic() - began)
                bar.note(f"loss {entry['loss']:.3f}  {rate:,.0f} tokens/s")
                if time.monotonic() - stored > settings.checkpoint_seconds:
                    state.save(work, model, optimizers, step + 1, log)
                    stored = time.monotonic()
    finally:
        gc.unfreeze()
    return log


def write_log(folder: Path, log: Log) -> None:
    """Write every step's figures to `training/losses.json`, one list for each figure."""
    names = list(log[0]) if log else []
    write_json(folder / "training" / "losses.json", {name: [entry[name] for entry in log] for name in names})


def _step(
    model: Transformer,
    objective: Objective,
    settings: TrainSettings,
    optimizers: list[torch.optim.Optimizer],
    machine: Choice,
    step: int,
) -> dict[str, float]:
    """One update; returns its log entry."""
    multiplier = optim.rate(step, objective.steps, settings.warmup, settings.decay)
    optim.set_rate(optimizers, multiplier)
    batch = {name: tensor.to(machine.device) for name, tensor in objective.batch(step).items()}
    total, figures = 0.0, Counter[str]()
    for part in [batch] if settings.micro_batch is None else objective.cut(batch, settings.micro_batch):
        loss, told = objective.loss(model, part)
        if not loss.isfinite():
            raise UserError(
                f"the loss of step {step + 1} is {loss.item()}: training has diverged; lower the learning rate"
            )
        loss.backward()  # type: ignore[no-untyped-call]
        total += loss.item()
        figures.update(told)
    torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return {"step": step + 1, "loss": total, "rate": multiplier, **figures}
