"""A training measured as it goes on, on what it never learns from: in fp32; the best weights kept; an early end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from rich.markup import escape

from hornbook.model.transformer import Transformer
from hornbook.progress import Progress
from hornbook.runs.manifest import SCRATCH
from hornbook.train import figures
from hornbook.train.candidates import Candidates, steps_of
from hornbook.train.figures import PRECISION, VALIDATION_LOSS, Entry
from hornbook.train.held_out import HeldOutSettings
from hornbook.train.losses import IGNORE
from hornbook.train.objective import Batch, Objective

Measure = Callable[[Transformer], Entry]

_TOKENS = 8192  # that are computed at once
_TIMES = 5  # that a training is measured unless told otherwise


@dataclass
class Validation:
    """After which steps a training is measured, and what follows.

    candidates: where the best weights are kept, which the last of the steps, or an early end, gives back; None: the
    last ones stay. among: the steps that they are the best of; None: all. patience: so many validations in a row
    without a lower loss are the end. baseline: the weights are measured before the first step, too; they are no
    candidate. losses: what was measured, by step.
    """

    measure: Measure
    steps: Collection[int]
    candidates: Candidates | None = None
    among: Collection[int] | None = None
    patience: int | None = None
    baseline: bool = False
    losses: dict[int, float] = field(default_factory=dict)

    def recall(self, entries: Sequence[Entry]) -> None:
        """Go on from what was measured before."""
        found = {int(entry["step"]): entry[VALIDATION_LOSS] for entry in entries if VALIDATION_LOSS in entry}
        self.losses = {step: loss for step, loss in found.items() if step in self.steps}

    def at(self, model: Transformer, step: int) -> Entry:
        """Measure the model after `step` steps, and keep its weights where they are the best so far."""
        with in_fp32(model):
            found = self.measure(model)
        if step in self.steps:
            self.losses[step] = found[VALIDATION_LOSS]
            if self.candidates is not None and self._chosen_from and self.best == step and not self.over:
                self.candidates.keep(model, step)
        return found

    @property
    def best(self) -> int:
        """The step with the lowest loss, of equal ones the last."""
        return min(reversed(self._chosen_from), key=self.losses.__getitem__)

    @property
    def _chosen_from(self) -> list[int]:
        return [step for step in self.losses if self.among is None or step in self.among]

    @property
    def kept(self) -> int:
        """The step whose weights the training ends with."""
        return self.best if self.candidates is not None else self.last

    @property
    def last(self) -> int:
        """The step that was measured last."""
        return max(self.losses)

    @property
    def stopped(self) -> str:
        """Why the training ends before its last step; empty where it does not."""
        losses = list(self.losses.values())
        if not self.patience or not losses or self.last == max(self.steps):
            return ""
        lowest = losses.index(min(losses))
        if len(losses) - 1 - lowest < self.patience:
            return ""
        told = f"{self.patience} validations" if self.patience > 1 else "the validation after it"
        step = list(self.losses)[lowest]
        return f"the held-out loss of step {step}, {losses[lowest]:.4f}, stayed the lowest in {told}"

    @property
    def over(self) -> bool:
        """Whether nothing more is measured."""
        return bool(self.losses) and (self.last == max(self.steps) or bool(self.stopped))

    def choose(self, model: Transformer) -> bool:
        """Give the model the best weights; whether these are others than it has."""
        if self.candidates is None or self.best == self.last:
            return False
        self.candidates.load(model, self.best)
        return True

    def forget(self) -> None:
        """Delete weights that were the best once, and are not in the state that was stored."""
        if self.candidates is not None and self._chosen_from:
            self.candidates.forget(self.best)


def validations_of(objective: Objective | None, steps: int, settings: HeldOutSettings, into: Path) -> list[Validation]:
    """How a training of so many steps is measured on an objective's one batch; not at all where there is none."""
    if objective is None:
        return []
    every = settings.validate_every
    return [
        Validation(
            measure_of(objective),
            steps_of(0, steps, _TIMES) if every is None else sorted({*range(every, steps, every), steps}),
            Candidates(into / SCRATCH, "held-out") if settings.keep == "best" else None,
            patience=settings.patience,
            baseline=True,
        )
    ]


def outcome(validations: Sequence[Validation], into: Path, progress: Progress) -> dict[str, Any]:
    """What a training's figures say of its validations: the losses before and after, and what was kept and ended."""
    if not validations:
        return {}
    [one], found = validations, figures.validations(into)
    before, after = found[VALIDATION_LOSS][0], one.losses[one.kept]
    was = figures.loss_told(before, 4)
    if one.stopped:
        progress.say(f"  ended after step {one.last:d} of {max(one.steps):d}: {escape(one.stopped)}")
    progress.say(f"  held-out loss {escape(was)} before, {after:.4f} with the weights of step {one.kept:d}, which stay")
    return {
        "validation": {
            "before": None if before is None else round(before, 4),
            "after": round(after, 4),
            "step": one.kept,
            "tokens": int(found["validation_tokens"][0] or 0),
            "precision": PRECISION,
            "ended": one.stopped,
        }
    }


def measure_of(objective: Objective) -> Measure:
    """The loss of an objective's one batch, and the figures beside it, as `validation_loss` and so on.

    `validation_tokens` are those that the loss is about. What is computed at once depends on nothing but the rows, and
    so do the figures.
    """
    tokens = int((objective.batch(0)["targets"] != IGNORE).sum())

    def measure(model: Transformer) -> Entry:
        found: Entry = defaultdict(float)
        for part in at_once(objective, model):
            loss, added = objective.loss(model, part)
            for name, figure in {"loss": loss.item(), **added}.items():
                found[f"validation_{name}"] += figure
        return {**found, "validation_tokens": tokens}

    return measure


def at_once(objective: Objective, model: Transformer) -> Iterator[Batch]:
    """An objective's one batch in parts of so many rows as are measured at once, where the model is."""
    batch, device = objective.batch(0), model.norm.weight.device
    rows = max(1, _TOKENS // batch["ids"].shape[1:].numel())
    for part in objective.micro_batches(batch, rows):
        yield {name: tensor.to(device) for name, tensor in part.items()}


@contextmanager
def in_fp32(model: Transformer) -> Iterator[None]:
    """Measure: activations in fp32, nothing left out, no gradients, and nothing compiled anew for it."""
    compute, training = model.compute, model.training
    model.compute = torch.float32
    model.eval()
    try:
        with torch.no_grad(), torch.compiler.set_stance("force_eager"):
            yield
    finally:
        model.compute = compute
        model.train(training)
