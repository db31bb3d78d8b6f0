"""Pretraining: a model learns the next token of phase 1, then of phase 2, under one learning-rate schedule.

Free of heavy imports at its head, as `sft` and `dpo` are: a recipe reads the settings, the command line the function.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from hornbook.errors import UserError
from hornbook.files import read_json, write_json
from hornbook.model import folder_from
from hornbook.model.config import ModelConfig
from hornbook.progress import Progress
from hornbook.runs.effort import Effort, Volume
from hornbook.runs.manifest import SCRATCH
from hornbook.runs.stage import Checkpoint, Input, Key, Stage, Work
from hornbook.seeds import derive
from hornbook.settings import SAME_RESULT, Settings
from hornbook.tokens.settings import OptionalPhase, Phase, phases_of
from hornbook.train import mup
from hornbook.train.events import located
from hornbook.train.objective import Batch, Objective
from hornbook.train.rehearsal import NAME, own_texts
from hornbook.train.settings import Rate, ScheduleName, TrainSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from hornbook.machine import Choice
    from hornbook.model.transformer import Transformer
    from hornbook.tokens.mixture import Schedule
    from hornbook.train.optimizers import Leg
    from hornbook.train.validation import Measure


# Beside a checkpoint's weights: control tokens that it was never shown. What later trains on them leaves the file out.
_UNTRAINED = Path("training", "untrained_tokens.json")


_CANDIDATES = Path("training", "candidates.json")  # beside a checkpoint's weights: the losses that it was chosen by
_REHEARSED = 2.0  # times that a text of the model's own is read: writing one takes as long as learning it
_TRAINED_BYTES = 12  # of a parameter, at least: itself, its gradient, the mean of its gradients


_OF_A_PHASE = (
    "batch", "learning_rate", "muon_learning_rate", "weight_decay", "schedule", "warmup", "decay", "final_rate",
)  # fmt: skip


class PretrainPhase(Phase):
    """A phase, and what is other in it than in the whole of the training.

    One that names its schedule, or a part of it, is trained by itself: its schedule begins and ends with it, and the
    optimisers start afresh.
    """

    batch: int | None = Field(None, ge=1, description="rows in a step")
    learning_rate: Rate | None = None
    muon_learning_rate: Rate | None = None
    weight_decay: float | None = Field(None, ge=0)
    schedule: ScheduleName | None = None
    warmup: float | None = Field(None, ge=0, lt=1)
    decay: float | None = Field(None, ge=0, le=1)
    final_rate: float | None = Field(None, ge=0, le=1)
    candidates: int = Field(1, ge=1, description="checkpoints, evenly over the phase, that `keep` chooses from")
    rehearse: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of the rows that the model it begins with writes itself, of what it knows, so as to keep it",
    )
    keep: Literal["last", "best", "average"] = Field(
        "last", description="what it ends with: its last weights, the best on text held out, or the candidates' average"
    )

    @property
    def by_itself(self) -> bool:
        """Whether it has a schedule of its own."""
        return any(one is not None for one in (self.schedule, self.warmup, self.decay, self.final_rate))

    @model_validator(mode="after")
    def _chosen(self) -> Self:
        if (self.keep == "last") != (self.candidates == 1):
            raise ValueError("candidates are what keep chooses from: set both, keep to best or average, or none")
        return self


class OptionalPretrainPhase(OptionalPhase, PretrainPhase):
    """A phase that is left out where it reads no tokens, and what is other in it."""


class PretrainSettings(TrainSettings):
    """Two sequential phases over one learning-rate schedule (phi-3's recipe), unless they have their own.

    Without phase 1, which is the default, phase 2 is all of the training.
    """

    phase1: OptionalPretrainPhase = OptionalPretrainPhase()
    phase2: PretrainPhase
    validate_every: int | None = Field(
        None, ge=1, description="steps of a phase between measurements on text held out of its sources; unset: none"
    )

    mup_base_width: int | None = Field(
        None,
        ge=1,
        description="muP: the width that the rates and model.initial_std were chosen at; unset: that of the model",
    )

    def times_wider(self, config: ModelConfig) -> float:
        """muP's width multiplier. Raises UserError for a model that it is not defined for."""
        return mup.multiplier(config, self.mup_base_width)

    @property
    def phases(self) -> dict[str, PretrainPhase]:
        """Those that there are, in their order."""
        return phases_of(self.phase1, self.phase2)

    def of(self, phase: PretrainPhase) -> PretrainSettings:
        """The settings as they are in a phase."""
        own = {name: getattr(phase, name) for name in _OF_A_PHASE if getattr(phase, name) is not None}
        return self.model_copy(update=own)


def pretrain(
    tokens: Path,
    config: ModelConfig,
    settings: PretrainSettings,
    *,
    seed: int,
    into: Path,
    progress: Progress,
    initial: Path | None = None,
) -> dict[str, Any]:
    """Write a checkpoint after each phase, `phase1/` and `phase2/`, and the losses of every step.

    tokens: the tokens stage's folder. It begins with the weights of the model folder `initial`, whose configuration
    `config` is then; else with random ones. Raises UserError where the documents of a phase do not fill one batch, for
    weights that can't be trained, and where `times_wider` does.
    """
    from hornbook.machine import choose
    from hornbook.model.formats import checkpoint
    from hornbook.model.tokenizers import Tokenizer
    from hornbook.train.candidates import Candidates, steps_of
    from hornbook.train.loop import ending, mean, train
    from hornbook.train.validation import Validation

    tokenizer = Tokenizer(tokens / "tokenizer")
    machine = choose(settings.precision, settings.compile)
    if machine.device == "cpu":
        _fits(config)
    wider = settings.times_wider(config)
    model = _drawn(config, settings, seed, wider) if initial is None else _begun(initial, settings)
    phases: dict[str, NextToken] = {}
    mixtures: dict[str, list[dict[str, Any]]] = {}
    steps_before: dict[str, int] = {}
    for name, phase in settings.phases.items():
        steps_before[name] = sum(one.steps for one in phases.values())
        own = partial(_own_texts, name, initial, machine, derive(seed, name), into, progress)
        phases[name], mixtures[name] = _phase(
            name, phase, tokens, settings.of(phase).batch, tokenizer.pad, own, seed=seed
        )
    objective = Sequential(list(phases.values()))
    milestones: dict[int, Callable[[], bool]] = {}

    validations: dict[str, Validation] = {}

    def reach(name: str, phase: PretrainPhase, step: int, steps: list[int]) -> bool:
        """Keep a candidate of the average; save at the end of the phase. Whether the weights are others then."""
        kept = Candidates(into / SCRATCH, name)
        if phase.keep == "average":
            kept.keep(model, step)
        if step < steps[-1]:
            return False
        if phase.keep == "average":
            kept.average(model, steps)
        elif phase.keep == "best":
            losses = validations[name].losses
            told = {str(at - steps_before[name]): round(losses[at], 4) for at in steps}
            write_json(into / name / _CANDIDATES, told)
        checkpoint.save(model, into / name, tokenizer, stored_precision=initial is not None)
        if initial is None:
            write_json(into / name / _UNTRAINED, sorted(set(tokenizer.controls) - {tokenizer.end_of_text_name}))
        return phase.keep == "average"

    for name, phase in settings.phases.items():
        before, count = steps_before[name], phases[name].steps
        steps = steps_of(before, count, phase.candidates)
        milestones |= {step: partial(reach, name, phase, step, steps) for step in steps}
        if phase.keep == "best" or settings.validate_every:
            kept = Candidates(into / SCRATCH, name) if phase.keep == "best" else None
            measured = _measured(before, count, steps if kept else steps[-1:], settings.validate_every)
            validations[name] = Validation(_measure(tokens, name, phase, tokenizer.pad), measured, kept, steps)

    began = time.monotonic()
    log = train(
        model,
        objective,
        settings,
        into=into,
        label="pretraining",
        progress=progress,
        seed=seed,
        milestones=milestones,
        legs=_legs(settings, steps_before["phase2"], objective.steps),
        validations=list(validations.values()),
    )
    return {
        "parameters": config.parameters(),
        "computing": machine.why,
        "steps": {name: phase.steps for name, phase in phases.items()},
        "tokens": {name: phase.tokens for name, phase in phases.items()},
        "mixture": mixtures,
        "candidates": {
            name: read_json(into / name / _CANDIDATES) for name in phases if (into / name / _CANDIDATES).is_file()
        },
        "loss": {
            name: mean(ending(log[before : before + phases[name].steps])) for name, before in steps_before.items()
        },
        "training_seconds": round(time.monotonic() - began, 1),
    }


def _fits(config: ModelConfig) -> None:
    """Raise UserError for a model that this machine's memory can't hold while it is trained."""
    from hornbook.machine import memory

    needed, there = _TRAINED_BYTES * config.parameters(), memory()
    if there is not None and needed > there:
        raise UserError(
            f"a model of {config.parameters():,} parameters takes {needed / 1e9:,.0f} GB to train (weights, gradients "
            f"and an optimiser's means in fp32); this machine has {there / 1e9:,.0f} GB"
        )


def _drawn(config: ModelConfig, settings: PretrainSettings, seed: int, wider: float) -> Transformer:
    """A model of random weights, so many times as wide as its base. Raises UserError where some are frozen."""
    import torch

    from hornbook.model.transformer import Transformer

    if settings.freeze:
        raise UserError("pretrain.freeze: random weights are worth nothing until they are trained; leave it out")
    model = Transformer(config)
    model.initialise(torch.Generator().manual_seed(derive(seed, "weights")))
    if wider != 1:
        mup.scale(model, wider)
    return model


def _begun(initial: Path, settings: PretrainSettings) -> Transformer:
    """The model of a folder, ready to be trained: all of it but what is frozen."""
    from hornbook.model.formats import adapter_config
    from hornbook.train import lora

    if adapter_config.is_adapter(initial):
        raise UserError(f"{initial} is an adapter; make a model of it and its base first: hornbook merge {initial}")
    return lora.load(initial, None, seed=0, freeze=settings.freeze)


def untrained_tokens(checkpoint: Path) -> set[str]:
    """Names of the control tokens that a checkpoint of `pretrain` was never shown; none for any other checkpoint."""
    path = checkpoint / _UNTRAINED
    return set(read_json(path)) if path.is_file() else set()


def _legs(settings: PretrainSettings, first: int, steps: int) -> list[Leg]:
    """The schedules: one over both phases, or one for each where one of them has its own. first: steps of phase 1."""
    from hornbook.train.optimizers import Leg

    phase1, phase2 = settings.phase1, settings.phase2
    if not first:
        return [Leg(0, steps, settings.of(phase2))]
    if phase1.by_itself or phase2.by_itself:
        return [
            Leg(0, first, settings.of(phase1)),
            Leg(first, steps - first, settings.of(phase2), fresh=phase2.by_itself),
        ]
    return [Leg(0, steps, settings.of(phase1), until=first), Leg(0, steps, settings.of(phase2))]


def _measured(before: int, count: int, steps: list[int], every: int | None) -> list[int]:
    """After which steps a phase of `count`, behind those `before`, is measured: these, and every so many."""
    return sorted({*steps, *range(before + (every or count), before + count, every or count)})


def _measure(tokens: Path, name: str, phase: Phase, pad: int) -> Measure:
    """Mean loss in nats a token on the text held out of a phase's sources, each ingredient weighing its share."""
    import numpy as np

    from hornbook.tokens import shards
    from hornbook.tokens.mixture import Schedule
    from hornbook.train.validation import measure_of

    measures: list[tuple[float, Measure]] = []
    held_out = shards.names(tokens / "validation")
    for component in phase.mixture:
        for source in component.sources:
            if source not in held_out:
                continue
            table = shards.read(tokens / "validation", source)
            rows = len(table)
            order = Schedule(np.zeros(rows, dtype=np.int32), np.arange(rows))
            objective = NextToken([table], order, rows, table.shape[1], pad)
            measures.append((component.share / len(component.sources), measure_of(objective)))
    if not measures:
        raise UserError(f"pretrain.{name}: nothing was held out of its sources; {tokens} has no validation")

    def measure(model: Transformer) -> dict[str, float]:
        found = [(share, one(model)) for share, one in measures]
        whole = sum(share for share, _ in found)
        return {
            "validation_loss": sum(share * one["validation_loss"] for share, one in found) / whole,
            "validation_tokens": sum(one["validation_tokens"] for _, one in found),
        }

    return measure


OwnTexts = Callable[[int, int], "NDArray[np.integer[Any]]"]  # so many rows of so many ids that a model writes itself


def _own_texts(
    name: str, initial: Path | None, machine: Choice, seed: int, into: Path, progress: Progress, rows: int, row: int
) -> NDArray[np.integer[Any]]:
    """What a phase rehearses of the model that it begins with. Raises UserError for one of random weights."""
    if initial is None:
        raise UserError(f"pretrain.{name}.rehearse: random weights have nothing to say; leave it out")
    place = into / f"rehearsal-{name}.npy"
    return own_texts(initial, rows, row, machine, seed=seed, place=place, progress=progress)


def _phase(
    name: str, phase: PretrainPhase, tokens: Path, batch: int, pad: int, own: OwnTexts, *, seed: int
) -> tuple[NextToken, list[dict[str, Any]]]:
    """One phase's objective, and how often each ingredient of its mixture is read, what it rehearses last."""
    from hornbook.tokens import shards
    from hornbook.tokens.mixture import schedule

    tables = [shards.read(tokens / "shards", f"{name}-{index}") for index in range(len(phase.mixture))]
    length = tables[0].shape[1] - 1
    rows = max(1, phase.tokens // (batch * length)) * batch
    sources, epochs = [list(component.sources) for component in phase.mixture], phase.epochs
    shares = [component.share * (1 - phase.rehearse) for component in phase.mixture]
    if phase.rehearse:
        tables.append(own(max(1, round(rows * phase.rehearse / _REHEARSED)), length + 1))
        sources, shares, epochs = [*sources, [NAME]], [*shares, phase.rehearse], (*epochs, _REHEARSED)
    sizes = [len(table) for table in tables]
    plan = schedule(sizes, shares, rows, epochs, derive(seed, name))
    if len(plan.rows) < batch:
        raise UserError(
            f"pretrain.{name}: {sum(sizes)} rows of {length} tokens, read {phase.maximum_epochs:g} times, "
            f"do not fill one batch of {batch}; lower pretrain.batch or add documents"
        )
    counts = [int((plan.shards == index).sum()) for index in range(len(sizes))]
    objective = NextToken(tables, plan, batch, length + 1, pad)
    mixture = [
        {
            "sources": named,
            "rows": count,
            "tokens": tokens,
            "share": round(count / len(plan.rows), 4),
            "epochs": round(epochs, 3),
        }
        for named, count, epochs, tokens in zip(sources, counts, plan.epochs(sizes), objective.tokens_of, strict=True)
    ]
    return objective, mixture


COUNTED = 4096  # rows of a shard that are in memory at once while its tokens are counted


@dataclass
class NextToken(Objective):
    """Cross-entropy of the next token, over rows of shards in a schedule's order; padding is not predicted.

    shards: each (rows, row) of ids, `row` being the context and one token more.
    """

    shards: Sequence[NDArray[np.integer[Any]]]
    schedule: Schedule
    batch_rows: int
    row: int
    pad: int

    def __post_init__(self) -> None:
        self.steps = len(self.schedule.rows) // self.batch_rows
        self.tokens_per_step = self.batch_rows * (self.row - 1)
        self.tokens_of = self.count_tokens(self.steps)
        self.tokens = sum(self.tokens_of)

    def count_tokens(self, steps: int) -> list[int]:
        """How many ids of each shard the first `steps` steps read, without padding."""
        return [self._count(shard, steps * self.batch_rows) for shard in range(len(self.shards))]

    def _count(self, shard: int, read: int) -> int:
        import numpy as np

        table = self.shards[shard]
        times = np.bincount(self.schedule.rows[:read][self.schedule.shards[:read] == shard], minlength=len(table))
        parts = (slice(start, start + COUNTED) for start in range(0, len(table), COUNTED))
        return sum(int((table[part, :-1] != self.pad).sum(1) @ times[part]) for part in parts)

    def batch(self, step: int) -> Batch:
        """ids (batch, row - 1), targets, shifted by one, and how many count."""
        import numpy as np
        import torch

        from hornbook.train.losses import IGNORE, count_targets

        table = np.empty((self.batch_rows, self.row), dtype=np.int64)
        for index in range(self.batch_rows):
            at = step * self.batch_rows + index
            table[index] = self.shards[self.schedule.shards[at]][self.schedule.rows[at]]
        rows = torch.from_numpy(table)
        targets = rows[:, 1:].clone()
        targets[targets == self.pad] = IGNORE
        return {"ids": rows[:, :-1], "targets": targets, "count": count_targets(targets)}

    def loss(self, model: Transformer, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """Mean cross-entropy in nats a token."""
        from hornbook.train.losses import token_cross_entropy

        return token_cross_entropy(model, batch["ids"], batch["targets"], batch["count"]), {}


@dataclass
class Sequential(Objective):
    """One objective after another, as if they were one: phi-3's two phases."""

    parts: Sequence[NextToken]

    def __post_init__(self) -> None:
        self.steps = sum(part.steps for part in self.parts)
        self.tokens = sum(part.tokens for part in self.parts)

    def tokens_before(self, step: int) -> int:
        """As each part computes."""
        tokens = 0
        for part in self.parts:
            tokens += min(step, part.steps) * part.tokens_per_step
            step -= min(step, part.steps)
        return tokens

    def batch(self, step: int) -> Batch:
        """The batch of the part that `step` falls into."""
        for part in self.parts:
            if step < part.steps:
                return part.batch(step)
            step -= part.steps
        raise IndexError("past the last step")

    def loss(self, model: Transformer, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """That of any part: they are alike."""
        return self.parts[0].loss(model, batch)


class PretrainStageSettings(Settings):
    """What the pretrain stage depends on."""

    seed: int = 1
    model: ModelConfig = ModelConfig()
    pretrain: PretrainSettings
    initial_model: Annotated[str, Key("initial_model"), SAME_RESULT] = ""


def _weights_of(settings: PretrainStageSettings, base: Path) -> str | None:
    """What tells the weights that it begins with from others."""
    if not settings.initial_model:
        return None
    from hornbook.model.formats import checkpoint

    return checkpoint.fingerprint(folder_from(settings.initial_model, base))


def _pretrain(work: Work[PretrainStageSettings]) -> dict[str, Any]:
    settings = work.settings
    return pretrain(
        work.inputs["tokens"],
        settings.model,
        located(settings.pretrain, work.into, work.base),
        seed=settings.seed,
        into=work.into,
        progress=work.progress,
        initial=folder_from(settings.initial_model, work.base) if settings.initial_model else None,
    )


def _pretrain_effort(settings: PretrainStageSettings, volume: Volume) -> Effort:
    trained = (volume.training(f"pretrain, {name}", tokens) for name, tokens in volume.phases.items())
    phases = settings.pretrain.phases
    written = sum(volume.phases.get(name, 0) * phase.rehearse / _REHEARSED for name, phase in phases.items())
    writing = volume.generating(written, volume.context)
    return Effort(f"{settings.model.parameters():,} parameters", writing, tuple(trained), settings.pretrain.compiles)


PRETRAIN = Stage(
    name="pretrain",
    summary="a model reads, in one phase or two",
    settings=PretrainStageSettings,
    run=_pretrain,
    inputs=(
        Input("tokens", ("tokens",), "What `hornbook tokens` made: a tokenizer and packed shards.", holds="shards"),
    ),
    checkpoints=(Checkpoint("phase1", "phase1", "phase 1"), Checkpoint("phase2", "phase2", "phase 2")),
    leaves=lambda settings, checkpoint: checkpoint.name in settings.pretrain.phases,
    title_of_one="pretraining",
    outside=_weights_of,
    on_ranks=True,
    card=True,
    headline=lambda f: (
        f"{f['parameters']:,} parameters, {sum(f['tokens'].values()) / 1e6:.2f}M tokens, "
        f"loss {' → '.join(f'{loss:.2f}' for loss in f['loss'].values())}"
    ),
    estimate=_pretrain_effort,
)
