"""How a model is trained, whatever the objective; each objective's module adds what it alone needs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hornbook.machine import choose
from hornbook.model.config import ModelConfig
from hornbook.settings import PLACE, SAME_RESULT, Settings

ScheduleName = Literal["warmup-stable-decay", "linear", "cosine", "constant"]
Rate = Annotated[float, Field(gt=0, le=1e30)]  # AdamW divides it by less than 1: fp32 must hold that
Share = Annotated[float, Field(ge=0, lt=1)]


class Dropout(Settings):
    """What is left out at random while training, by its share; the rest is scaled up."""

    embedding: Share = Field(0.0, description="of the embeddings")
    attention: Share = Field(0.0, description="of the attention's weights; not in block-sparse layers")
    residual: Share = Field(0.0, description="of what attention and MLP add to the stream")
    mlp: Share | None = Field(None, description="of what the MLP adds; as `residual` says unless given")

    @property
    def shares(self) -> dict[str, float]:
        """All of them, as the model takes them."""
        return {**self.model_dump(), "mlp": self.residual if self.mlp is None else self.mlp}


class TrainSettings(Settings):
    """What every objective has in common."""

    optimizer: Literal["muon", "adamw"] = "muon"
    learning_rate: Rate = Field(3e-3, description="AdamW's peak rate")
    muon_learning_rate: Rate = Field(0.02, description="Muon's peak rate, for the hidden matrices")
    muon_momentum: float = Field(0.95, ge=0, lt=1, description="how slowly Muon forgets gradients")
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = Field(
        (0.9, 0.95), description="how slowly AdamW forgets gradients and their squares"
    )
    epsilon: float = Field(1e-8, gt=0, description="AdamW's")
    weight_decay: float = Field(0.1, ge=0)
    batch: int = Field(32, ge=1, description="rows of one sequence length in a step")
    micro_batch: Annotated[int | None, SAME_RESULT] = Field(
        None, ge=1, description="rows computed at once, to save memory; a step is the same sum; unset: all of them"
    )
    schedule: ScheduleName = Field(
        "warmup-stable-decay",
        description="how the rate goes after the warm-up; linear and cosine fall to the last step",
    )
    warmup: float = Field(0.05, ge=0, lt=1, description="share of the steps in which the rate rises from 0")
    decay: float = Field(
        0.4, ge=0, le=1, description="warmup-stable-decay: share of the steps, at the end, in which the rate falls"
    )
    final_rate: float = Field(0.0, ge=0, le=1, description="share of the peak rate that the rate falls to")
    freeze: tuple[str, ...] = Field(
        (),
        description="what of a given model is not trained: embed_tokens, lm_head, norms, as its file names them",
    )
    dropout: Dropout = Dropout()
    clip: float = Field(
        1.0, gt=0, allow_inf_nan=True, description="largest norm of the gradient; inf: it is left as it is"
    )
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    compile: bool | None = Field(None, description="torch.compile; where a C++ compiler is found unless told otherwise")
    activation_checkpoints: Annotated[Literal["none", "selective", "full"], SAME_RESULT] = Field(
        "none",
        description="what of a block's forward pass the backward pass computes again, to save memory: nothing, all but "
        "matrix products and attention, or all",
    )
    checkpoint_seconds: Annotated[float, SAME_RESULT] = Field(
        20.0, ge=0, description="how often a state to resume from is stored"
    )
    tensorboard: Annotated[str | None, SAME_RESULT, PLACE] = Field(
        None, min_length=1, description="folder for TensorBoard's event files, of this training alone; unset: none"
    )

    def times_wider(self, config: ModelConfig) -> float:
        """How many times as wide a model is as the one that the rates were chosen for; 1: they are right as given."""
        return 1.0

    @property
    def compiles(self) -> bool:
        """Whether a training with these settings compiles its model on this machine."""
        return choose(self.precision, self.compile).compile
