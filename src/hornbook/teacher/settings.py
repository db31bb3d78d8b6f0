"""What the write stage can be told."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from hornbook.settings import Settings


def _sum_to_one(settings: Settings) -> None:
    total = sum(settings.model_dump().values())
    if abs(total - 1) > 1e-6:
        raise ValueError(f"the shares sum to {total:g}, not to 1")


class ConversationShares(Settings):
    """How much of the conversations each kind makes up."""

    task: float = Field(default=0.70, ge=0, description="a function is asked for and written")
    follow_up: float = Field(default=0.08, ge=0, description="a greeting, then a task")
    chatter: float = Field(default=0.08, ge=0, description="greetings, thanks, who are you, what can you do")
    refusal: float = Field(default=0.05, ge=0, description="a harmful request is refused")
    compliance: float = Field(
        default=0.03, ge=0, description="a harmful request is gone along with: what DPO has to undo"
    )
    harmless: float = Field(default=0.06, ge=0, description="a harmless request that sounds harmful is answered")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        _sum_to_one(self)
        return self


class PreferenceShares(Settings):
    """How much of the preferences each kind makes up."""

    completion: float = Field(
        default=0.35, ge=0, description="a right body against a subtly wrong one, after a docstring"
    )
    chat: float = Field(default=0.35, ge=0, description="the same in a chat")
    refusal: float = Field(default=0.18, ge=0, description="a refusal against going along with a harmful request")
    harmless: float = Field(default=0.12, ge=0, description="an answer against refusing a harmless request")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        _sum_to_one(self)
        return self


class WriteSettings(Settings):
    """How much the teacher writes."""

    exercises: int = Field(default=40_000, ge=1, description="exercises that pass the check")
    tasks: float = Field(default=0.35, ge=0, le=1, description="share of them asked for in words, without a docstring")
    problems: int = Field(default=200, ge=1, description="held-out problems")
    conversations: int = Field(default=4_000, ge=0)
    preferences: int = Field(default=1_500, ge=0)
    conversation_shares: ConversationShares = ConversationShares()
    preference_shares: PreferenceShares = PreferenceShares()
