"""Supervised fine-tuning: a pretrained model learns to answer in a conversation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, model_validator

from hornbook.display import plural
from hornbook.progress import Progress
from hornbook.runs.effort import Effort, Volume
from hornbook.runs.stage import Checkpoint, Input, Look, Stage, Work
from hornbook.settings import Settings
from hornbook.terminal import in_markup
from hornbook.train import held_out, lora
from hornbook.train.data import Given, RowsInput
from hornbook.train.events import located
from hornbook.train.rehearsal import LONGEST, MOST, rehearsed
from hornbook.train.settings import Rate
from hornbook.train.shapes import to_learn
from hornbook.train.tuning import TuneSettings, look, tune

if TYPE_CHECKING:
    from hornbook.model.tokenizers import Tokenizer
    from hornbook.model.transformer import Transformer

CONVERSATIONS = "conversations.jsonl"  # in a stage's folder: rows of messages
# What its command has unless told otherwise: what a published model bears, where a recipe's own takes more.
ALONE = {**held_out.ALONE, "optimizer": "adamw", "learning_rate": 1e-4, "weight_decay": 0.0, "batch": 8}


class SftSettings(TuneSettings):
    """Supervised fine-tuning on conversations; the loss counts the assistant's tokens only."""

    learning_rate: Rate = 5e-4
    muon_learning_rate: Rate = 4e-3
    decay: float = Field(1.0, ge=0, le=1)
    rehearse: int = Field(
        0, ge=0, le=MOST, description="everyday questions whose answers, the model's own, are learnt beside the rows"
    )

    @model_validator(mode="after")
    def _read_once(self) -> Self:
        if self.rehearse and any(one.share is not None for one in self.data):
            raise ValueError("rehearse adds rows that are read once an epoch: give it, or shares to the data")
        return self


def sft(
    base: Path,
    sources: Sequence[Given],
    settings: SftSettings,
    *,
    seed: int,
    into: Path,
    progress: Progress,
) -> dict[str, Any]:
    """Fine-tune the checkpoint `base` on conversations and write the checkpoint `into/model`; see `tune`.

    With `settings.rehearse` it answers everyday questions first, and learns these answers, too; see `rehearsed`.
    """
    if settings.rehearse:
        known = rehearsed(base, settings.rehearse, seed=seed, into=into, progress=progress)
        progress.say(f"  {in_markup(known.told())}")
        sources = [*sources, known] if known.rows else sources
    return tune(
        base, sources, settings, stage="sft", seed=seed, into=into, progress=progress, prepare=start_control_tokens
    )


def start_control_tokens(model: Transformer, tokenizer: Tokenizer) -> None:
    """Give control tokens that no training has read the vectors of tokens that mean something similar.

    Pretraining on plain text never shows them, and pushes all of them in the one direction that keeps them from being
    predicted: they end up alike and unlike everything else. Who speaks and who ends starts as the end of a text, the
    beginning of an answer as a newline. docs/log.md tells what that is worth. The checkpoint says which those are; what
    a fine-tuned or a downloaded model knows of its control tokens stays as it is. Under an adapter the base keeps its
    vectors, unless `modules_to_save` has them trained.
    """
    import torch
    from torch import nn

    from hornbook.model.tokenizers import ASSISTANT, END, SYSTEM, USER
    from hornbook.train.pretrain import untrained_tokens

    untrained = untrained_tokens(tokenizer.folder)
    layers = [model.embed] if model.config.tied_embeddings else [model.embed, model.lm_head]
    vectors = [layer.weight for layer in layers if isinstance(layer, nn.Linear | nn.Embedding)]
    starts = dict.fromkeys((SYSTEM, USER, END), tokenizer.end_of_text)
    starts[ASSISTANT] = tokenizer.encode("\n")[0]
    with torch.no_grad():
        for weight in (weight for weight in vectors if weight.requires_grad):
            for name in untrained & starts.keys():
                weight[tokenizer.control(name)] = weight[starts[name]]


CHAT_TOKENS = 80  # of the built-in teacher's conversations, on average


class SftStageSettings(Settings):
    """What the sft stage depends on."""

    seed: int = 1
    sft: SftSettings = SftSettings()


_ROWS = RowsInput("conversations", CONVERSATIONS, to_learn, lambda settings: settings.sft.data)


def _look(work: Work[SftStageSettings]) -> Look:
    chosen = work.settings
    if chosen.sft.rehearse:
        told = plural(chosen.sft.rehearse, "everyday question")
        work.progress.say(f"  the model's own answers to {told} come on top; they are not counted here")
    return look(
        work.inputs["model"], _ROWS.given(work), chosen.sft, stage="sft", seed=chosen.seed, progress=work.progress
    )


def _sft(work: Work[SftStageSettings]) -> dict[str, Any]:
    settings = located(work.settings.sft, work.into, work.base)
    return sft(
        work.inputs["model"],
        _ROWS.given(work),
        settings,
        seed=work.settings.seed,
        into=work.into,
        progress=work.progress,
    )


def _sft_effort(settings: SftStageSettings, volume: Volume) -> Effort:
    tokens = volume.conversations * CHAT_TOKENS * settings.sft.epochs
    trained = volume.training("sft", tokens)
    asking = volume.generating(settings.sft.rehearse * LONGEST, LONGEST)
    return Effort(plural(volume.conversations, "conversation"), asking, (trained,), settings.sft.compiles)


SFT = Stage(
    name="sft",
    summary="answers in a conversation",
    settings=SftStageSettings,
    run=_sft,
    inputs=(
        Input("model", ("pretrain",), "The model to train.", checkpoint=True),
        _ROWS.declared(("clean",), "rows to learn from: a file, a folder, a corpus or hf:NAME."),
    ),
    checkpoints=(Checkpoint("sft", "model", "SFT"),),
    outside=_ROWS.fingerprint,
    reads=_ROWS.places,
    leave_out=True,
    on_ranks=True,
    look=_look,
    card=True,
    alone=ALONE,
    headline=lambda f: f"{plural(f['conversations'], 'conversation')}, loss {f['loss']:.2f}{held_out.told(f)}",
    estimate=_sft_effort,
    flags=(lora.FLAG,),
)
