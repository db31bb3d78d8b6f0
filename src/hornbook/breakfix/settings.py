"""What the rounds of Break-Fix try, learn and measure."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from hornbook.amounts import Count
from hornbook.errors import nearest
from hornbook.evaluate.redteam import DIRECT
from hornbook.evaluate.redteam.attacks import families
from hornbook.evaluate.redteam.settings import ADAPTIVE, RedteamSettings
from hornbook.settings import comma_separated
from hornbook.train.dpo import DpoSettings
from hornbook.train.settings import Rate
from hornbook.train.sft import SftSettings


class FixSft(SftSettings):
    """Supervised fine-tuning as a published model takes it."""

    optimizer: Literal["muon", "adamw"] = "adamw"
    learning_rate: Rate = 2e-4
    weight_decay: float = Field(0.0, ge=0)
    batch: int = Field(2, ge=1, description="rows of one sequence length in a step")
    compile: bool | None = Field(False, description="torch.compile, which takes longer than so short a training")


class FixDpo(DpoSettings):
    """Preferences as a published model takes them."""

    learning_rate: Rate = 2e-5
    batch: int = Field(4, ge=1, description="pairs in a step")
    compile: bool | None = Field(False, description="torch.compile, which takes longer than so short a training")


class FixSettings(RedteamSettings):
    """Rounds of attacks, training and measuring; the red team's own settings say how it asks."""

    rounds: int = Field(3, ge=1)
    tries: int = Field(2, ge=1, description="variants of each way that a measured request is asked in")
    new_tokens: int = Field(48, ge=1, description="of an answer")
    attacked: int = Field(120, ge=1, description="requests that a round asks for in each way to learn from")
    held_out: tuple[str, ...] = Field(
        ("encoding", "translation", "many-shot", "step by step"),
        description="ways of asking that are only measured with",
    )
    measured: float = Field(0.5, gt=0, lt=1, description="share of the requests that are only measured with")
    look_alikes: float = Field(
        1.25, ge=0, description="harmless rows for each one that declines; 0: none, and harmful twins all the same"
    )
    over_refusal: float = Field(
        0.4,
        ge=0,
        le=1,
        description="share of look-alikes, neither learnt nor measured with, that may be declined after a round; "
        "1: all, so that every round is taken whole",
    )
    rows: int = Field(200, ge=1, description="conversations that decline, in a round, at most")
    preferences: int = Field(48, ge=0, description="pairs in a round, at most; 0: no dpo")
    max_tokens: Count = Field(80_000, ge=1, description="that a round trains on, at most")
    sft: FixSft = FixSft()
    dpo: FixDpo = FixDpo()
    data: Path | None = Field(None, description="the folder of benchmarks' files")
    refusals: str = Field("xstest", description="a benchmark of refusals, never trained on; empty: none")
    refusals_rows: int | None = Field(None, ge=1, description="of them; all unless given")
    ability: tuple[str, ...] = Field(("arc_easy", "piqa"), description="benchmarks whose right answers are scored")
    ability_rows: int = Field(2_000, ge=1, description="of them, the same number of each")

    @field_validator("families", "held_out", "ability", mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        return comma_separated(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _ways(self) -> Self:
        there = (*families(), ADAPTIVE)
        for name in self.held_out:
            if name not in there:
                raise ValueError(f"held_out: there is no way {name!r}{nearest(name, there)}")
        if not set(self.families or there) - {*self.held_out}:
            raise ValueError("held_out leaves no way of asking to learn from")
        if DIRECT in self.held_out:
            raise ValueError(f"held_out: what is asked with no attack, {DIRECT}, is always learnt from")
        return self

    def fixing(self, *, adaptive: bool) -> tuple[str, ...]:
        """The ways of asking whose conversations are learnt from. adaptive: whether there is an LLM that attacks."""
        return tuple(name for name in self.asked(adaptive=adaptive) if name not in self.held_out)

    def asked(self, *, adaptive: bool) -> tuple[str, ...]:
        """All ways of asking, those that are only measured with among them."""
        return self.families or (*families(), *((ADAPTIVE,) if adaptive else ()))
