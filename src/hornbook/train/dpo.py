"""Direct preference optimisation: a model learns which of two answers is the better one."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator

from hornbook.amounts import Length
from hornbook.display import plural
from hornbook.files import seal, sealed, write_bytes
from hornbook.machine import choose
from hornbook.progress import Progress
from hornbook.runs.effort import Computation, Effort, Volume
from hornbook.runs.manifest import SCRATCH
from hornbook.runs.ranks import rank
from hornbook.runs.stage import Checkpoint, Input, Look, Stage, Work
from hornbook.seeds import derive
from hornbook.settings import Settings
from hornbook.train import held_out, lora
from hornbook.train.data import (
    Data,
    Given,
    RowsInput,
    alike,
    reading_order,
    tell_few_steps,
    tell_unread,
    warn_of_plain_prompts,
)
from hornbook.train.events import located
from hornbook.train.held_out import HeldOutSettings, split
from hornbook.train.lora import LoraSettings
from hornbook.train.objective import Batch, Objective
from hornbook.train.settings import Rate
from hornbook.train.shapes import to_prefer
from hornbook.train.tuning import SHOWN, memory, stretches

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from hornbook.model.tokenizers import Tokenizer
    from hornbook.model.transformer import Transformer
    from hornbook.train.loop import Shares
    from hornbook.train.rows import Encoded, Example, Pair


PREFERENCES = "preferences.jsonl"  # in a stage's folder: rows of pairs
ALONE = {**held_out.ALONE, "learning_rate": 2e-5, "batch": 8}  # its command's, unless told otherwise: see `sft.ALONE`


class DpoSettings(HeldOutSettings):
    """Direct preference optimisation (Rafailov et al. 2023, arXiv:2305.18290)."""

    optimizer: Literal["muon", "adamw"] = "adamw"
    learning_rate: Rate = 1e-4
    decay: float = Field(1.0, ge=0, le=1)
    weight_decay: float = Field(0.0, ge=0)
    batch: int = Field(16, ge=1, description="pairs in a step")
    epochs: float = Field(1.0, gt=0)
    lora: LoraSettings | None = Field(None, description="adapters are trained in the place of the model")
    max_length: Length | None = Field(
        None, ge=2, description="tokens of a prompt and its answer at most; unset: the model's context"
    )
    data: tuple[Data, ...] = Field((), description="pairs of one's own in place of those that a recipe writes")
    beta: float = Field(0.1, gt=0, description="how closely the policy keeps to the reference")
    chosen_weight: float = Field(
        0.2,
        ge=0,
        description="weight of the chosen answer's own likelihood beside the preference (RPO); 0 is plain DPO",
    )

    @field_validator("data")
    @classmethod
    def _alike(cls, data: tuple[Data, ...]) -> tuple[Data, ...]:
        return alike(data)


def dpo(
    base: Path,
    sources: Sequence[Given],
    settings: DpoSettings,
    *,
    seed: int,
    into: Path,
    progress: Progress,
) -> dict[str, Any]:
    """Train the checkpoint `base` on the preferences of some sources and write the checkpoint `into/model`.

    The reference is `base` itself; its log-probabilities are computed once and stored in `training/reference.npy`, NaN
    for pairs that no step reads. A step reads fewer pairs than `settings.batch` where there are fewer. Raises UserError
    where nothing can be learnt from the pairs of a source.
    """
    from hornbook.model.formats import checkpoint
    from hornbook.model.tokenizers import Tokenizer
    from hornbook.train.loop import mean, train
    from hornbook.train.prompts import keep_prompts
    from hornbook.train.validation import in_fp32, outcome, validations_of

    tokenizer = Tokenizer(base)
    model = lora.load(base, settings.lora, seed=seed, freeze=settings.freeze)
    encoded, objective, held, held_out = _read(tokenizer, model.config.context, sources, settings, seed, progress)
    if held is not None and not rank():
        with in_fp32(model.to(choose(settings.precision, settings.compile).device)):
            held.reference = _log_probabilities(model, held)
    measured = validations_of(held, objective.steps, settings, into)
    log = train(
        model,
        objective,
        settings,
        into=into,
        label="learning preferences",
        progress=progress,
        seed=seed,
        before=lambda trained, shares: _compute_reference(trained, objective, shares, into, progress),
        validations=measured,
    )
    checkpoint.save(model, into / "model", tokenizer, stored_precision=True)
    keep_prompts(held_out or sources, tokenizer, model.config.context, into, held_out=bool(held_out))
    tenth = max(1, len(log) // 10)
    return {
        "pairs": len(objective.pairs),
        "sources": {source.name: {**source.shapes} for source in sources},
        "left_out": dict(sum((source.left_out for source in sources), Counter())),
        "too_long": sum(one.too_long for one in encoded),
        "refused": dict(sum((Counter(one.refused) for one in encoded), Counter())),
        "held_out": sum(len(one.rows) for one in held_out),
        "computing": choose(settings.precision, settings.compile).why,
        "batch": objective.batch_pairs,
        "steps": len(log),
        "tokens": objective.read_in(len(log)),
        "loss": mean(log[-tenth:]),
        "accuracy_first": mean(log[:tenth], "accuracy"),
        "accuracy_last": mean(log[-tenth:], "accuracy"),
        **outcome(measured, into, progress),
    }


def _read(
    tokenizer: Tokenizer,
    context: int,
    sources: Sequence[Given],
    settings: DpoSettings,
    seed: int,
    progress: Progress,
) -> tuple[list[Encoded], Preferences, Preferences | None, list[Given]]:
    """The pairs of each source, encoded, what is learnt of them, and what is held out, as one batch and as rows; see
    `dpo`.
    """
    import numpy as np

    from hornbook.train.rows import nothing_fits, nothing_held, tell_left_out

    if tokenizer.template:
        chat = 'a prompt of messages, [{"role": "user", "content": ...}], or by a column question in its place'
        warn_of_plain_prompts(sources, chat, progress)
    sources, kept = split(sources, settings, progress)
    length = min(context, settings.max_length or context)
    encoded = [encode_pairs(source.rows, tokenizer, length + 1) for source in sources]
    for source, one in zip(sources, encoded, strict=True):
        tell_left_out(one, "pair", length, progress)
        if source.rows and not one.fitting:
            raise nothing_fits(one, "pair", "dpo", length, context)
    pairs: list[Pair] = [pair for one in encoded for pair in one.fitting]
    sizes = [len(one.fitting) for one in encoded]
    order = reading_order(sizes, sources, settings.epochs, derive(seed, "dpo"))
    batch = min(settings.batch, len(order), len(pairs))
    if batch < settings.batch:
        progress.say(f"  a step reads {batch:d}, not {settings.batch:d}: there are no more pairs")
    tell_unread(order, batch, sizes, sources, "pair", progress)
    tell_few_steps(len(order) // batch, progress)

    def preferences(pairs: list[Pair], order: NDArray[np.int64], batch: int) -> Preferences:
        return Preferences(
            pairs,
            reference=np.full((len(pairs), 2), np.nan, dtype=np.float32),
            order=order,
            batch_pairs=batch,
            beta=settings.beta,
            chosen_weight=settings.chosen_weight,
            length=length,
            pad=tokenizer.pad,
            compiled=settings.compiles,
        )

    held: list[Pair] = [one for source in kept for one in encode_pairs(source.rows, tokenizer, length + 1).fitting]
    if kept and not held:
        raise nothing_held("dpo")
    measured = preferences(held, np.arange(len(held)), len(held)) if held else None
    return encoded, preferences(pairs, order[: len(order) // batch * batch], batch), measured, kept


def look(base: Path, sources: Sequence[Given], settings: DpoSettings, *, seed: int, progress: Progress) -> Look:
    """What `dpo` would read of the pairs: both answers of the first, counts, and the work that it would be."""
    from hornbook.model.tokenizers import Tokenizer

    tokenizer, (model, adapters) = Tokenizer(base), lora.look(base, settings.lora, settings.freeze)
    config = model.config
    _, objective, held, _ = _read(tokenizer, config.context, sources, settings, seed, progress)
    pairs = objective.pairs
    lengths = [len(example.ids) for pair in pairs for example in pair]
    learnt = sum(sum(example.mask) for pair in pairs for example in pair)
    told = [
        f"{plural(len(pairs), 'pair')}, each answer with its prompt {min(lengths):,} to {max(lengths):,} tokens, "
        f"{sum(lengths):,} in all, of which {learnt:,} are compared",
        f"{plural(objective.steps, 'step')} of {plural(objective.batch_pairs, 'pair')}, after the reference has read "
        "each once",
        memory(model, settings, adapters=adapters, measured=held is not None),
    ]
    flops = 3 * DPO_PASSES * objective.tokens * config.flops_per_token(max(lengths))
    effort = Effort(
        plural(objective.tokens, "token"), 0.0, (Computation("dpo", objective.tokens, flops),), settings.compiles
    )
    shown = {
        f"{number} {name}": stretches(tokenizer, example)
        for number, pair in enumerate(pairs[:SHOWN], start=1)
        for name, example in zip(("chosen", "rejected"), pair, strict=True)
    }
    return Look(list(shown.values()), told, effort, tuple(shown))


def encode_pairs(preferences: Sequence[dict[str, Any]], tokenizer: Tokenizer, row: int) -> Encoded:
    """Each preference as a `Pair` of ids; those of which either answer has more than `row` ids are left out.

    A preference has a `prompt` (text to complete, ended by the end of the document) or `messages` (a conversation,
    ended as the template ends the assistant's turn), and the texts `chosen` and `rejected`.
    """
    from hornbook.train.rows import Pair, completion, encode_all, last_answer

    def answered(preference: dict[str, Any], answer: str) -> Example:
        if preference.get("messages"):
            return last_answer(tokenizer, preference["messages"], answer)
        return completion(tokenizer, preference["prompt"], answer)

    return encode_all(preferences, lambda one: Pair(answered(one, one["chosen"]), answered(one, one["rejected"])), row)


def _log_probabilities(model: Transformer, objective: Preferences) -> NDArray[np.float32]:
    """What `model` says of the pairs of an objective's one batch: (pairs, 2)."""
    import numpy as np

    from hornbook.train.validation import at_once

    parts = at_once(objective, model)
    return np.concatenate([objective.log_probabilities(model, part).cpu().numpy() for part in parts])


def _compute_reference(
    model: Transformer, objective: Preferences, shares: Shares, into: Path, progress: Progress
) -> None:
    """Fill `objective.reference` with what `model` says of each pair, from disk where it was computed before.

    A pair is read as the steps read it: by the forward pass that training compiles, with gradients, in the batch in
    which it comes first, whatever is drawn at random the same. The first step then finds a margin of exactly 0.
    """
    import numpy as np

    path = into / "training" / "reference.npy"
    if sealed(path, into / SCRATCH):
        objective.reference = np.asarray(np.load(path), dtype=np.float32)
        return

    def told(step: int) -> NDArray[np.float32]:
        share = shares(step)
        return share.together([objective.log_probabilities(model, part).detach().cpu() for part, _ in share]).numpy()

    total = objective.steps * objective.batch_pairs
    with progress.task("reference log-probabilities", total) as bar:
        for step in range(objective.steps):
            pairs = objective.order[step * objective.batch_pairs : (step + 1) * objective.batch_pairs]
            unknown = np.isnan(objective.reference[pairs, 0])
            if unknown.any():
                objective.reference[pairs[unknown]] = told(step)[unknown]
            bar.advance(len(pairs))
    buffer = io.BytesIO()
    np.save(buffer, objective.reference.astype("<f4"))
    if not rank():
        write_bytes(path, buffer.getvalue())
        seal(path, into / SCRATCH)


@dataclass
class Preferences(Objective):
    """DPO (Rafailov et al. 2023, equation 7) with the reference's log-probabilities (pairs, 2) computed beforehand.

    order: the pairs in the order in which they are read, each as often as there are epochs.
    """

    pairs: Sequence[Pair]
    reference: NDArray[np.float32]
    order: NDArray[np.int64]
    batch_pairs: int
    beta: float
    chosen_weight: float
    length: int  # of the longest row that is computed
    pad: int
    compiled: bool  # so that batches come in few lengths

    def __post_init__(self) -> None:
        self.steps = len(self.order) // self.batch_pairs
        self.tokens = self.read_in(self.steps)
        computed = [2 * len(pairs) * self._padded(pairs) for pairs in map(self._pairs, range(self.steps))]
        self._computed = [0, *accumulate(computed)]
        self.tokens_per_step = round(self._computed[-1] / max(1, self.steps))

    def tokens_before(self, step: int) -> int:
        """Each batch is as long as its own pairs need."""
        return self._computed[step]

    def _pairs(self, step: int) -> list[Pair]:
        return [self.pairs[number] for number in self.order[step * self.batch_pairs : (step + 1) * self.batch_pairs]]

    def _padded(self, pairs: Sequence[Pair]) -> int:
        from hornbook.train.rows import padded_length

        return padded_length(pairs, self.length, few_lengths=self.compiled)

    def read_in(self, steps: int) -> int:
        """How many tokens the first `steps` steps read, without padding."""
        read = self.order[: steps * self.batch_pairs]
        return sum(len(example.ids) - 1 for number in read for example in self.pairs[number])

    def batch(self, step: int) -> Batch:
        """ids and targets (pairs, 2, time), the chosen first; how many pairs, and how many chosen targets, count."""
        import torch

        from hornbook.train.losses import count_targets
        from hornbook.train.rows import padded

        numbers = self.order[step * self.batch_pairs : (step + 1) * self.batch_pairs]
        ids, targets = padded(self._pairs(step), self.length, self.pad, few_lengths=self.compiled)
        return {
            "ids": ids,
            "targets": targets,
            "reference": torch.from_numpy(self.reference[numbers]),
            "pairs": torch.tensor(len(numbers)),
            "chosen_count": count_targets(targets[:, 0]),
        }

    def log_probabilities(self, model: Transformer, batch: Batch) -> Tensor:
        """Of each pair's chosen and rejected answer: (pairs, 2)."""
        import torch

        from hornbook.train.losses import sequence_log_probabilities

        ids, targets = (torch.cat(batch[name].unbind(1)) for name in ("ids", "targets"))
        return torch.stack(sequence_log_probabilities(model, ids, targets).chunk(2), 1)

    def loss(self, model: Transformer, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """-log sigmoid(beta * margin), plus the chosen answer's mean loss times `chosen_weight` (RPO).

        Accuracy is the share of pairs with a margin above 0; a margin of exactly 0 counts half, as chance would have
        it: before the first step the policy is the reference, all margins are 0, and the accuracy is 0.5.
        """
        import torch.nn.functional as F

        chosen, rejected = self.log_probabilities(model, batch).unbind(1)
        margin = (chosen - rejected) - (batch["reference"][:, 0] - batch["reference"][:, 1])
        loss = -F.logsigmoid(self.beta * margin).sum() / batch["pairs"]
        if self.chosen_weight:
            loss = loss - self.chosen_weight * chosen.sum() / batch["chosen_count"]
        share = 1 / int(batch["pairs"])
        right = (margin > 0).sum().item() + 0.5 * (margin == 0).sum().item()
        return loss, {"accuracy": right * share, "margin": margin.sum().item() * share}


PAIR_TOKENS = 64  # of a row, of the built-in teacher's pairs, with padding
DPO_PASSES = 4 / 3  # forward and backward of the policy, forward of the reference


class DpoStageSettings(Settings):
    """What the dpo stage depends on."""

    seed: int = 1
    dpo: DpoSettings = DpoSettings()


_ROWS = RowsInput("preferences", PREFERENCES, to_prefer, lambda settings: settings.dpo.data)


def _look(work: Work[DpoStageSettings]) -> Look:
    chosen = work.settings
    return look(work.inputs["model"], _ROWS.given(work), chosen.dpo, seed=chosen.seed, progress=work.progress)


def _dpo(work: Work[DpoStageSettings]) -> dict[str, Any]:
    settings = located(work.settings.dpo, work.into, work.base)
    return dpo(
        work.inputs["model"],
        _ROWS.given(work),
        settings,
        seed=work.settings.seed,
        into=work.into,
        progress=work.progress,
    )


def _dpo_effort(settings: DpoStageSettings, volume: Volume) -> Effort:
    tokens = volume.preferences * 2 * min(volume.context, PAIR_TOKENS) * settings.dpo.epochs
    trained = volume.training("dpo", tokens, DPO_PASSES)
    return Effort(plural(volume.preferences, "pair"), 0.0, (trained,), settings.dpo.compiles)


DPO = Stage(
    name="dpo",
    summary="the better of two answers",
    settings=DpoStageSettings,
    run=_dpo,
    inputs=(
        Input("model", ("sft",), "The model to train.", checkpoint=True),
        _ROWS.declared(("clean",), "pairs to learn from: a file, a folder or hf:NAME."),
    ),
    checkpoints=(Checkpoint("dpo", "model", "DPO"),),
    outside=_ROWS.fingerprint,
    reads=_ROWS.places,
    needs=("sft",),
    leave_out=True,
    on_ranks=True,
    look=_look,
    card=True,
    alone=ALONE,
    headline=lambda f: (
        f"{plural(f['pairs'], 'pair')}, right choice {f['accuracy_first']:.0%} → {f['accuracy_last']:.0%}"
        + held_out.told(f)
    ),
    estimate=_dpo_effort,
    flags=(lora.FLAG,),
)
