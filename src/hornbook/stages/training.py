"""The stages that make a model: tokens, pretraining, instruction tuning, preferences."""

from __future__ import annotations

from typing import Annotated, Any

from hornbook.files import read_jsonl
from hornbook.machine import choose
from hornbook.model.config import ModelConfig
from hornbook.runs.effort import Effort, Volume
from hornbook.runs.stage import Checkpoint, Input, Key, Stage, Work
from hornbook.settings import Settings
from hornbook.tokens.settings import Phase, TokensSettings
from hornbook.train.dpo import DpoSettings
from hornbook.train.pretrain import PretrainSettings
from hornbook.train.settings import TrainSettings
from hornbook.train.sft import SftSettings

CHAT_TOKENS = 80  # of the built-in teacher's conversations, on average
DPO_PASSES = 4 / 3  # forward and backward of the policy, forward of the reference


class TokensStage(Settings):
    """What the tokens stage depends on."""

    seed: int = 1
    tokens: TokensSettings = TokensSettings()
    vocabulary: Annotated[int, Key("model.vocabulary")]
    context: Annotated[int, Key("model.context")]
    phase1: Annotated[Phase, Key("pretrain.phase1")]
    phase2: Annotated[Phase, Key("pretrain.phase2")]

    @property
    def phases(self) -> dict[str, Phase]:
        """The phases in their order."""
        return {"phase1": self.phase1, "phase2": self.phase2}


def _tokens(work: Work[TokensStage]) -> dict[str, Any]:
    from hornbook.tokens.tokenize import tokenize

    settings = work.settings
    return tokenize(
        work.inputs["corpus"],
        settings.tokens,
        settings.phases,
        vocabulary=settings.vocabulary,
        context=settings.context,
        seed=settings.seed,
        into=work.into,
        progress=work.progress,
    )


def _packed(figures: dict[str, Any]) -> int:
    return sum(component["tokens"] for phase in figures["phases"].values() for component in phase)


TOKENS = Stage(
    name="tokens",
    summary="tokenizer and packed shards",
    settings=TokensStage,
    run=_tokens,
    inputs=(Input("corpus", ("clean",), "A corpus folder: one with documents/ in it."),),
    decides=lambda settings, base: {
        "seed": settings.seed,
        "vocabulary": settings.vocabulary,
        "context": settings.context,
        "phases": {name: phase.model_dump(mode="json") for name, phase in settings.phases.items()},
        **settings.tokens.model_dump(mode="json"),
    },
    headline=lambda f: f"vocabulary of {f['vocabulary']:,}, {_packed(f) / 1e6:.2f} million tokens packed",
    estimate=lambda settings, volume: Effort(
        f"{sum(volume.phases.values()) / 1e6:.2f} M tokens", 5 + volume.encoded / 250_000
    ),
)


class PretrainStage(Settings):
    """What the pretrain stage depends on."""

    seed: int = 1
    model: ModelConfig = ModelConfig()
    pretrain: PretrainSettings


def _pretrain(work: Work[PretrainStage]) -> dict[str, Any]:
    from hornbook.train.pretrain import pretrain

    settings = work.settings
    return pretrain(
        work.inputs["tokens"],
        settings.model,
        settings.pretrain,
        seed=settings.seed,
        into=work.into,
        progress=work.progress,
    )


def compiles(settings: TrainSettings) -> bool:
    """Whether a training with these settings compiles its model on this machine."""
    return choose(settings.precision, settings.compile).compile


def _pretrain_effort(settings: PretrainStage, volume: Volume) -> Effort:
    trained = (volume.training(f"pretrain, {name}", tokens) for name, tokens in volume.phases.items())
    return Effort(f"{settings.model.parameters():,} parameters", 0.0, tuple(trained), compiles(settings.pretrain))


PRETRAIN = Stage(
    name="pretrain",
    summary="phase 1, then phase 2",
    settings=PretrainStage,
    run=_pretrain,
    inputs=(Input("tokens", ("tokens",), "What `hornbook tokens` made: a tokenizer and packed shards."),),
    checkpoints=(Checkpoint("phase1", "phase1", "phase 1"), Checkpoint("phase2", "phase2", "phase 2")),
    headline=lambda f: (
        f"{f['parameters']:,} parameters, {sum(f['tokens'].values()) / 1e6:.2f}M tokens, "
        f"loss {f['loss']['phase1']:.2f} → {f['loss']['phase2']:.2f}"
    ),
    estimate=_pretrain_effort,
)


class SftStage(Settings):
    """What the sft stage depends on."""

    seed: int = 1
    sft: SftSettings = SftSettings()


def _sft(work: Work[SftStage]) -> dict[str, Any]:
    from hornbook.train.sft import sft

    conversations = [row["messages"] for row in read_jsonl(work.inputs["conversations"] / "conversations.jsonl")]
    return sft(
        work.inputs["model"],
        conversations,
        work.settings.sft,
        seed=work.settings.seed,
        into=work.into,
        progress=work.progress,
    )


def _sft_effort(settings: SftStage, volume: Volume) -> Effort:
    tokens = volume.conversations * CHAT_TOKENS * settings.sft.epochs
    trained = volume.training("sft", tokens)
    return Effort(f"{volume.conversations:,} conversations", 0.0, (trained,), compiles(settings.sft))


SFT = Stage(
    name="sft",
    summary="answers in a conversation",
    settings=SftStage,
    run=_sft,
    inputs=(
        Input("model", ("pretrain",), "The model to train.", checkpoint=True),
        Input("conversations", ("clean",), "A folder with conversations.jsonl in it."),
    ),
    checkpoints=(Checkpoint("sft", "model", "SFT"),),
    needs=("write",),
    leave_out=True,
    headline=lambda f: f"{f['conversations']:,} conversations, loss {f['loss']:.2f}",
    estimate=_sft_effort,
)


class DpoStage(Settings):
    """What the dpo stage depends on."""

    seed: int = 1
    dpo: DpoSettings = DpoSettings()


def _dpo(work: Work[DpoStage]) -> dict[str, Any]:
    from hornbook.train.dpo import dpo

    return dpo(
        work.inputs["model"],
        list(read_jsonl(work.inputs["preferences"] / "preferences.jsonl")),
        work.settings.dpo,
        seed=work.settings.seed,
        into=work.into,
        progress=work.progress,
    )


def _dpo_effort(settings: DpoStage, volume: Volume) -> Effort:
    """Every row is padded to the model's context."""
    tokens = volume.preferences * 2 * volume.context * settings.dpo.epochs
    trained = volume.training("dpo", tokens, DPO_PASSES)
    return Effort(f"{volume.preferences:,} pairs", 0.0, (trained,), compiles(settings.dpo))


DPO = Stage(
    name="dpo",
    summary="the better of two answers",
    settings=DpoStage,
    run=_dpo,
    inputs=(
        Input("model", ("sft",), "The model to train.", checkpoint=True),
        Input("preferences", ("clean",), "A folder with preferences.jsonl in it."),
    ),
    checkpoints=(Checkpoint("dpo", "model", "DPO"),),
    needs=("write", "sft"),
    leave_out=True,
    headline=lambda f: f"{f['pairs']:,} pairs, right choice {f['accuracy_first']:.0%} → {f['accuracy_last']:.0%}",
    estimate=_dpo_effort,
)
