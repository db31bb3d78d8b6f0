"""Supervised fine-tuning: a pretrained model learns to answer in a conversation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from hornbook.errors import UserError
from hornbook.files import read_jsonl
from hornbook.progress import Progress
from hornbook.runs.effort import Effort, Volume
from hornbook.runs.stage import Checkpoint, Input, Stage, Work
from hornbook.seeds import derive
from hornbook.settings import Settings
from hornbook.train import lora
from hornbook.train.lora import LoraSettings
from hornbook.train.objective import Batch, Objective
from hornbook.train.settings import TrainSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from hornbook.model.tokenizers import Message, Tokenizer
    from hornbook.model.transformer import Transformer
    from hornbook.train.rows import Encoded, Rows


class SftSettings(TrainSettings):
    """Supervised fine-tuning on conversations; the loss counts the assistant's tokens only."""

    learning_rate: float = Field(5e-4, gt=0)
    muon_learning_rate: float = Field(4e-3, gt=0)
    decay: float = Field(1.0, ge=0, le=1)
    epochs: float = Field(1.0, gt=0)
    lora: LoraSettings | None = Field(None, description="adapters are trained in the place of the model")
    max_length: int | None = Field(
        None, ge=2, description="tokens of a row, which whole conversations share; unset: the model's context"
    )


def sft(
    base: Path,
    conversations: Sequence[Sequence[Message]],
    settings: SftSettings,
    *,
    seed: int,
    into: Path,
    progress: Progress,
) -> dict[str, Any]:
    """Fine-tune the checkpoint `base` on conversations and write the checkpoint `into/model`.

    Raises UserError where the conversations do not fill one batch.
    """
    from hornbook.model.formats import checkpoint
    from hornbook.model.tokenizers import Tokenizer
    from hornbook.tokens.mixture import schedule
    from hornbook.train.loop import mean, train
    from hornbook.train.rows import nothing_fits, tell_refused

    tokenizer = Tokenizer(base)
    model = lora.load(base, settings.lora, seed=seed)
    start_control_tokens(model, tokenizer)
    length = min(model.config.context, settings.max_length or model.config.context)
    encoded, rows = pack_conversations(conversations, tokenizer, length + 1)
    tell_refused(encoded, "conversations", progress)
    if conversations and not encoded.fitting:
        raise nothing_fits(encoded, "conversations", "sft", length, model.config.context)
    reads = int(len(rows.ids) * settings.epochs)
    order = schedule([len(rows.ids)], [1.0], reads, settings.epochs, derive(seed, "sft")).rows
    if len(order) < settings.batch:
        raise UserError(
            f"sft: {len(encoded.fitting)} conversations fill {len(rows.ids)} rows of {length} tokens; "
            f"{settings.epochs:g} epochs of them do not fill one batch of {settings.batch}; "
            "lower sft.batch or sft.max_length"
        )
    objective = AssistantTokens(rows, order, settings.batch)
    log = train(model, objective, settings, into=into, label="fine-tuning", progress=progress, seed=seed)
    checkpoint.save(model, into / "model", tokenizer, stored_precision=True)
    return {
        "conversations": len(encoded.fitting),
        "too_long": encoded.too_long,
        "refused": encoded.refused,
        "rows": len(rows.ids),
        "steps": objective.steps,
        "tokens": objective.tokens,
        "answer_share": round(float(rows.mask.mean()), 4),
        "loss": mean(log[-20:]),
    }


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


def pack_conversations(
    conversations: Sequence[Sequence[Message]], tokenizer: Tokenizer, row: int
) -> tuple[Encoded, Rows]:
    """Pack whole conversations into rows of `row` ids, of which those are learnt that the assistant writes."""
    from hornbook.train.rows import Example, encode_all, packed

    encoded = encode_all(conversations, lambda messages: Example(*tokenizer.chat_with_mask(messages)), row)
    return encoded, packed(encoded.fitting, row, tokenizer.pad)


@dataclass
class AssistantTokens(Objective):
    """Cross-entropy of what the assistant writes; conversations that share a row do not see each other.

    order: the rows in the order in which they are read, each as often as there are epochs.
    """

    rows: Rows
    order: NDArray[np.int64]
    batch_rows: int

    def __post_init__(self) -> None:
        self.steps = len(self.order) // self.batch_rows
        self.tokens_per_step = self.batch_rows * (self.rows.ids.shape[1] - 1)
        read = self.order[: self.steps * self.batch_rows]
        self.tokens = int((self.rows.document_ids[read, :-1] != 0).sum())

    def batch(self, step: int) -> Batch:
        """ids and document_ids (batch, row - 1), targets: IGNORE where somebody else writes, and how many count."""
        import torch

        from hornbook.train.losses import IGNORE, count_targets

        rows = self.order[step * self.batch_rows : (step + 1) * self.batch_rows]
        ids, mask, documents = (torch.from_numpy(table[rows]) for table in self.rows)
        targets = ids[:, 1:].masked_fill(~mask[:, 1:], IGNORE)
        return {
            "ids": ids[:, :-1],
            "document_ids": documents[:, :-1],
            "targets": targets,
            "count": count_targets(targets),
        }

    def loss(self, model: Transformer, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """Mean cross-entropy in nats a token of the assistant's."""
        from hornbook.train.losses import token_cross_entropy

        return token_cross_entropy(model, *(batch[name] for name in ("ids", "targets", "count", "document_ids"))), {}


CHAT_TOKENS = 80  # of the built-in teacher's conversations, on average


class SftStageSettings(Settings):
    """What the sft stage depends on."""

    seed: int = 1
    sft: SftSettings = SftSettings()


def _sft(work: Work[SftStageSettings]) -> dict[str, Any]:
    conversations = [row["messages"] for row in read_jsonl(work.inputs["conversations"] / "conversations.jsonl")]
    return sft(
        work.inputs["model"],
        conversations,
        work.settings.sft,
        seed=work.settings.seed,
        into=work.into,
        progress=work.progress,
    )


def _sft_effort(settings: SftStageSettings, volume: Volume) -> Effort:
    tokens = volume.conversations * CHAT_TOKENS * settings.sft.epochs
    trained = volume.training("sft", tokens)
    return Effort(f"{volume.conversations:,} conversations", 0.0, (trained,), settings.sft.compiles)


SFT = Stage(
    name="sft",
    summary="answers in a conversation",
    settings=SftStageSettings,
    run=_sft,
    inputs=(
        Input("model", ("pretrain",), "The model to train.", checkpoint=True),
        Input("conversations", ("clean",), "A folder with conversations.jsonl in it."),
    ),
    checkpoints=(Checkpoint("sft", "model", "SFT"),),
    needs=("write",),
    leave_out=True,
    on_ranks=True,
    headline=lambda f: f"{f['conversations']:,} conversations, loss {f['loss']:.2f}",
    estimate=_sft_effort,
)
