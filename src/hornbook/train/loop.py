"""The training loop: the same for every objective, stoppable at any moment, resumable to the bit."""

from __future__ import annotations

import gc
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import fmean

import torch
from rich.markup import escape

from hornbook.errors import UnfinishedError, UserError
from hornbook.machine import Choice, choose, memory_kept
from hornbook.model.transformer import Transformer
from hornbook.progress import Progress
from hornbook.runs import ranks
from hornbook.runs.manifest import SCRATCH, outputs
from hornbook.train import optimizers as optim
from hornbook.train import parallel, state
from hornbook.train.figures import VALIDATION_LOSS, Entry, Figures, Log
from hornbook.train.objective import Objective
from hornbook.train.optimizers import Leg
from hornbook.train.parallel import Share
from hornbook.train.settings import TrainSettings
from hornbook.train.validation import Validation

DIVERGED = "training has diverged; lower the learning rate"
BROKEN = "nothing was learnt before it, so that is the model as it was given"

Shares = Callable[[int], Share]  # what this process computes of a step, by its number


@memory_kept()
def train(  # noqa: PLR0913 (one for each wish)
    model: Transformer,
    objective: Objective,
    settings: TrainSettings,
    *,
    into: Path,
    label: str,
    progress: Progress,
    seed: int = 0,
    before: Callable[[Transformer, Shares], None] | None = None,
    milestones: Mapping[int, Callable[[], bool | None]] | None = None,
    legs: Sequence[Leg] | None = None,
    validations: Sequence[Validation] = (),
) -> Log:
    """Train `model` in place; returns the figures of each step: step, tokens computed, loss, the objective's own,
    learning rates, the share of their peaks, and the gradient's norm before it was clipped.

    `into/training/figures.jsonl` has them as soon as a step is done, with its times. The state lies in the stage's
    scratch folder: called again after a kill, the run goes on and ends with the same weights to the last bit. seed: of
    what is drawn at random in a step. `before` gets what is trained in place of the model, with the weights as they
    were given, ready to compute as the steps do. `milestones` are called after the given number of steps, at least once
    each, with the model as it is then; one that changes the model says True. legs: schedules that follow each other;
    one over all steps, as the settings say, unless given. validations: what the model is measured on after which steps,
    before milestones; one of them may end the training early.

    Where `torchrun` started several ranks, all of them call it, with equal models. Rank 0 alone writes, calls
    milestones and returns, with the trained model; in the others it raises PartDone.
    """
    machine, whole = choose(settings.precision, settings.compile), model
    progress.say(escape(f"  computing on {machine.why}"))
    model = _prepared(whole, settings, machine, exact=bool(validations or settings.freeze))
    optimizers = optim.build(model, settings, machine.compute)

    def share(step: int) -> Share:
        return parallel.share(objective, step, settings.micro_batch, machine.device, seed)

    if before:
        before(model, share)
    scratch = into / SCRATCH
    before_this = state.restore(scratch, model, optimizers)
    if before_this.damage:
        progress.say(escape(f"  {before_this.damage}: {label} begins again from its first step"))
    done, made = before_this.step, before_this.made
    figures = Figures(into, before_this.log, settings.tensorboard)
    measured = _Measured(validations, figures, model, whole)
    stretches = legs or [Leg(0, objective.steps, settings)]
    stored = done
    gc.collect()
    gc.freeze()
    try:
        began, pace = time.monotonic(), state.Pace(settings.checkpoint_seconds)
        began_at = objective.tokens_before(done)
        with figures.open(), progress.task(label, objective.tokens_before(objective.steps), began_at) as bar:
            measured.before()
            for step in range(done, objective.steps):
                if measured.stopped:
                    break
                computed = objective.tokens_before(step + 1)
                tokens = computed - objective.tokens_before(step)
                with _told(step, objective.steps, partial(_last_good, into, stored, step, made)):
                    with figures.step(tokens, computed) as entry:
                        entry.update(_step(model, objective, stretches, optimizers, share(step), step))
                    measured.after(step + 1, computed)
                if milestones and step + 1 in milestones:
                    _reach(milestones[step + 1], model, whole)
                    made = made if ranks.rank() else outputs(into)
                bar.advance(tokens)
                rate = (computed - began_at) / (time.monotonic() - began)
                bar.note(f"loss {entry['loss']:.3f}{measured.told}  {rate:,.0f} tokens/s")
                if parallel.agreed(pace.due):
                    with pace.storing():
                        state.save(scratch, model, optimizers, step + 1, figures.log, made)
                    stored = step + 1
                    measured.forget()
    finally:
        gc.unfreeze()
    parallel.gather(model, whole)
    if ranks.rank():
        raise ranks.PartDone
    parallel.part(machine.device)
    return figures.steps


class _Measured:
    """What is measured of a training as it goes on; see `validation`.

    Rank 0 measures, with the whole model, and all ranks hear of it, so that they decide alike.
    """

    def __init__(
        self, validations: Sequence[Validation], figures: Figures, model: Transformer, whole: Transformer
    ) -> None:
        self._validations, self._figures, self._model, self._whole = validations, figures, model, whole
        self.told = ""
        for one in validations:
            one.recall(figures.validations)

    @property
    def stopped(self) -> str:
        """Why the training ends early; empty where it does not."""
        return next((one.stopped for one in self._validations if one.stopped), "")

    def before(self) -> None:
        """Measure the weights that were given, where that was not done before."""
        for one in self._validations:
            if one.baseline and not self._figures.log:
                self._add(one, 0, 0)

    def after(self, step: int, tokens: int) -> None:
        """Measure where it is time; the last time the best weights take the place of the last ones, where it is wanted.

        Raises FloatingPointError for a loss that is no number.
        """
        for one in self._validations:
            if step in one.steps:
                one.losses[step] = self._add(one, step, tokens)
                if one.over:
                    _reach(partial(one.choose, self._whole), self._model, self._whole)

    def _add(self, validation: Validation, step: int, tokens: int) -> float:
        parallel.gather(self._model, self._whole)
        found = parallel.told_by_first(None if ranks.rank() else validation.at(self._whole, step))
        self._figures.add({"step": step, "tokens": tokens, **found})
        loss = found[VALIDATION_LOSS]
        if step and not math.isfinite(loss):
            raise FloatingPointError(f"the held-out loss after step {step} is {loss}: {DIVERGED}")
        self.told = f"  held out {loss:.3f}"
        return loss

    def forget(self) -> None:
        """Delete weights that the stored state does not need."""
        for one in () if ranks.rank() else self._validations:
            one.forget()


def ending(entries: Log) -> Log:
    """The last fifth of some steps, one at least and 20 at most: what a training came to."""
    return entries[-max(1, min(20, len(entries) // 5)) :]


def mean(entries: Log, figure: str = "loss") -> float:
    """Mean of one of the figures over some steps, to four digits."""
    return round(fmean(entry[figure] for entry in entries), 4)


def _prepared(model: Transformer, settings: TrainSettings, machine: Choice, *, exact: bool) -> Transformer:
    """What is trained in place of the model: itself, or what is spread over the ranks.

    exact: it is measured, too, or saved with what was frozen, so that what is not trained keeps every bit.
    """
    parallel.meet(machine.device)
    for layer in model.modules():
        if isinstance(layer, torch.nn.Linear) and not layer.weight.requires_grad:
            layer.weight.data = layer.weight.data.to(kept_in(layer.weight.dtype, machine.compute, exact=exact))
    model = parallel.spread(model, machine)
    model.to(machine.device).train()
    model.compute = machine.compute
    model.drop(**settings.dropout.shares)
    parallel.prepare_blocks(model, settings.activation_checkpoints, compiled=machine.compile)
    return model


def kept_in(stored: torch.dtype, compute: torch.dtype, *, exact: bool) -> torch.dtype:
    """The precision in which a linear map that is not trained lies in memory; one that it is not computed in is
    converted at every step. exact: no bit of it may be lost.
    """
    return compute if not exact or torch.promote_types(stored, compute) == compute else stored


@contextmanager
def _told(step: int, steps: int, last_good: Callable[[], str]) -> Iterator[None]:
    """Around a step: how far it came where it is stopped, and what is good where it diverged."""
    try:
        yield
    except FloatingPointError as error:
        if kept := last_good():
            raise UnfinishedError(f"{error}; {kept}") from None
        raise UserError(f"{error}; no checkpoint was stored before it") from None
    except KeyboardInterrupt:
        # The step may be half done: what lies on disk is the last whole state, the run goes on from there.
        raise KeyboardInterrupt(f"stopped at step {step} of {steps}") from None


def _last_good(into: Path, stored: int, diverged: int, made: Mapping[str, str]) -> str:
    """Where the last checkpoint, and the last state, lie from before training diverged; empty where there is none.

    stored, diverged: steps done in the state, and before the loss that is no number. A state that no step went on from
    is not known to be good: its own last step may have spoilt it.
    """
    checkpoints = [into / name for name in made if Path(name).name == "config.json"]
    found = [f"the last checkpoint before it is {max(checkpoints, key=_written).parent}"] if checkpoints else []
    if 0 < stored < diverged:
        found.append(f"the last good state, after step {stored}, lies in {into / SCRATCH}")
    return "; ".join(found)


def _written(path: Path) -> int:
    return path.stat().st_mtime_ns


def _reach(milestone: Callable[[], bool | None], model: Transformer, whole: Transformer) -> None:
    """Rank 0 does what is to be done now, with the whole model; what that changes in it reaches all ranks."""
    parallel.gather(model, whole)
    if parallel.agreed(not ranks.rank() and bool(milestone())):
        parallel.hand_out(whole, model)


def _step(
    model: Transformer,
    objective: Objective,
    legs: Sequence[Leg],
    optimizers: list[torch.optim.Optimizer],
    share: Share,
    step: int,
) -> Entry:
    """One update; returns its figures. Raises FloatingPointError before it for a loss or gradient that is no number."""
    leg = next(leg for leg in legs if leg.has(step))
    if leg.fresh and step == leg.first:
        for optimizer in optimizers:
            optimizer.state.clear()
    multiplier = leg.multiplier(step)
    optim.adopt(optimizers, leg.settings)
    optim.set_learning_rate(optimizers, multiplier)
    figures: dict[str, float] = defaultdict(float)
    for part, weight in share:
        loss, added = objective.loss(model, part)
        loss = loss if weight == 1 else weight * loss
        loss.backward()  # type: ignore[no-untyped-call]
        figures["loss"] += loss.item()
        for name, figure in added.items():
            figures[name] += weight * figure
    told = parallel.total(figures)
    if not math.isfinite(told["loss"]):
        raise FloatingPointError(f"the loss of step {step + 1} is {told['loss']}: {DIVERGED if step else BROKEN}")
    norm = clip(list(model.parameters()), leg.settings.clip)
    if not math.isfinite(norm):
        raise FloatingPointError(f"the gradient of step {step + 1} is {norm}: {DIVERGED if step else BROKEN}")
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    rates = optim.learning_rates(optimizers)
    return {"step": step + 1, **told, **rates, "rate": multiplier, "gradient_norm": norm}


def clip(parameters: Sequence[torch.nn.Parameter], most: float) -> float:
    """Scale gradients down to a norm of `most`, over all of them, where theirs is more; returns what it was.

    PyTorch's clip_grad_norm_ gives the same bits; gradients that are short enough it reads and writes as well, to
    multiply them by 1.
    """
    norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
    told = parallel.number(norm)
    if told + 1e-6 > 0.99 * most:  # its own epsilon, and close to the most its rounding decides
        torch.nn.utils.clip_grads_with_norm_(parameters, most, norm)
    return told
