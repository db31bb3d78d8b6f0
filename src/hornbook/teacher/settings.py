"""What the recipe's tables `[teacher]` and `[write]` can be told. Free of heavy imports: every recipe loads this."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from hornbook.errors import UserError
from hornbook.files import expanded
from hornbook.settings import NAME_OR_PLACE, Settings
from hornbook.teacher.client.settings import BudgetSettings, ClientSettings, settings_from

PREFIX = "teacher:"  # a source of a recipe that the teacher writes
USUAL_COUNT = 10_000
BUILTIN_KINDS = ("stories", "facts")  # what the built-in teacher writes


# Kinds of an LLM that take the place of what the built-in teacher composes, and of which shares of it.
CONVERSATIONS = {"chats": ("task", "follow_up", "chatter", "beyond"), "refusals": ("refusal", "harmless")}
PREFERENCES = {"preferences": ("completion", "chat", "beyond"), "refusal-pairs": ("refusal", "harmless")}


EDUCATIONAL = "educational"  # the rubric, unless told otherwise


class TeacherSettings(Settings):
    """An LLM behind endpoints. What it is asked is kept in a cache, so that a run that is repeated pays nothing."""

    endpoints: tuple[str, ...] = Field(min_length=1, description="addresses, as after --teacher: URL#MODEL")
    model: str = Field("", description="for endpoints that name none")
    cache: str = Field("", description="folder of the answers; unset: in the user's cache folder")
    budget: BudgetSettings = Field(BudgetSettings(), description="what each stage may use")
    timeout: float = Field(120.0, gt=0, description="seconds until an answer must be whole")
    most: int = Field(64, ge=1, description="requests at once at most, for each endpoint")
    grades: bool = Field(True, description="grades the sample of the grade stage")
    exercises: bool = Field(True, description="writes the exercises and problems of the write stage")
    conversations: float = Field(0.0, ge=0, le=1, description="its part of the conversations (kind chats)")
    preferences: float = Field(0.0, ge=0, le=1, description="its part of the pairs of answers (kind preferences)")
    refusals: float = Field(
        0.0, ge=0, le=1, description="its part of refusals and harmless look-alikes (kinds refusals, refusal-pairs)"
    )
    rubric: Annotated[str, NAME_OR_PLACE] = Field(EDUCATIONAL, description="a rubric's name or file")
    template: Annotated[str, NAME_OR_PLACE] = Field("exercises", description="the template of the exercises")
    compare: int = Field(100, ge=0, description="texts of one fixed prompt that diversity is held against")

    @model_validator(mode="after")
    def _usable(self) -> Self:
        try:
            self.client()
        except UserError as error:
            raise ValueError(str(error)) from None
        return self

    @property
    def parts(self) -> dict[str, float]:
        """For each kind of conversations and preferences the LLM's part of them."""
        return {
            "chats": self.conversations,
            "preferences": self.preferences,
            "refusals": self.refusals,
            "refusal-pairs": self.refusals,
        }

    def client(self) -> ClientSettings:
        """What the client behind endpoints is told."""
        return settings_from(
            self.endpoints,
            self.model,
            cache=expanded(self.cache) if self.cache else default_cache(),
            budget=self.budget,
            timeout=self.timeout,
            most=self.most,
        )


def default_cache() -> Path:
    """Where answers are kept unless told: `hornbook/answers` in the user's cache folder."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(home) if home else expanded("~/.cache")) / "hornbook" / "answers"


def ordered(path: str) -> tuple[str, int]:
    """The kind (or template file) and the number of rows of a source's path `teacher:KIND#COUNT`.

    Raises UserError for anything else.
    """
    kind, sign, count = path.removeprefix(PREFIX).partition("#")
    plain = count.replace("_", "")
    if not kind or not path.startswith(PREFIX) or (sign and not (plain.isdecimal() and plain.isascii() and int(plain))):
        raise UserError(f"{path!r} is no order for a teacher; write {PREFIX}KIND#COUNT, such as {PREFIX}stories#10000")
    return kind, int(plain) if sign else USUAL_COUNT


def _sum_to_one(settings: Settings) -> None:
    total = sum(settings.model_dump().values())
    if abs(total - 1) > 1e-6:
        raise ValueError(f"the shares sum to {total:g}, not to 1")


class ConversationShares(Settings):
    """How much of the conversations each kind makes up."""

    task: float = Field(default=0.62, ge=0, description="a function is asked for and written")
    follow_up: float = Field(default=0.08, ge=0, description="a greeting or anything else, then mostly a task")
    chatter: float = Field(default=0.08, ge=0, description="greetings, thanks, who are you, what can you do")
    beyond: float = Field(default=0.08, ge=0, description="what the model can't do: it says so")
    refusal: float = Field(default=0.05, ge=0, description="a harmful request is refused")
    compliance: float = Field(
        default=0.03, ge=0, description="a harmful request is gone along with: what DPO has to undo"
    )
    harmless: float = Field(default=0.06, ge=0, description="a harmless request that sounds harmful is answered")
    completion: float = Field(
        default=0.0, ge=0, description="a docstring is completed, outside of any chat: so that it is not forgotten"
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        _sum_to_one(self)
        return self


class PreferenceShares(Settings):
    """How much of the preferences each kind makes up."""

    completion: float = Field(
        default=0.32, ge=0, description="a right body against a subtly wrong one, after a docstring"
    )
    chat: float = Field(default=0.32, ge=0, description="the same in a chat")
    beyond: float = Field(default=0.08, ge=0, description="saying what the model can't do against refusing it")
    refusal: float = Field(default=0.16, ge=0, description="a refusal against going along with a harmful request")
    harmless: float = Field(default=0.12, ge=0, description="an answer against refusing a harmless request")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        _sum_to_one(self)
        return self


class WriteSettings(Settings):
    """How much the teacher writes."""

    exercises: int = Field(default=40_000, ge=1, description="exercises that pass the check")
    tasks: float = Field(default=0.35, ge=0, le=1, description="share of them asked for in words, without a docstring")
    families: int | None = Field(
        default=None, ge=1, description="how many families of functions exercises are of, drawn by the seed; unset: all"
    )
    names: int | None = Field(
        default=None,
        ge=1,
        description="how many plain names functions have, and arguments of a kind; unset: all, and those that describe",
    )
    problems: int = Field(default=200, ge=1, description="held-out problems, of all families")
    conversations: int = Field(default=4_000, ge=0)
    preferences: int = Field(default=1_500, ge=0)
    conversation_shares: ConversationShares = ConversationShares()
    preference_shares: PreferenceShares = PreferenceShares()

    @property
    def about_harm(self) -> bool:
        """Whether any of the conversations or pairs are about harmful requests, or what sounds like them."""
        chats, pairs = self.conversation_shares, self.preference_shares
        return any((chats.refusal, chats.compliance, chats.harmless, pairs.refusal, pairs.harmless))


@dataclass(frozen=True)
class Division:
    """Who writes how many of some rows: an LLM `asked` of each kind, the built-in teacher `composed` by `shares`."""

    asked: dict[str, int]
    composed: int
    shares: dict[str, float]


def divide(
    count: int, shares: Mapping[str, float], kinds: Mapping[str, tuple[str, ...]], parts: Mapping[str, float]
) -> Division:
    """Divide `count` rows of `shares` (they sum to 1) between the teachers.

    `kinds` are CONVERSATIONS or PREFERENCES; `parts` says for each kind how much of its shares an LLM writes.
    """
    asked = {kind: round(count * parts[kind] * sum(shares[name] for name in names)) for kind, names in kinds.items()}
    asked = {kind: number for kind, number in asked.items() if number}
    if not asked:
        return Division({}, count, dict(shares))
    left = dict(shares)
    for kind in asked:
        for name in kinds[kind]:
            left[name] *= 1 - parts[kind]
    total = sum(left.values())
    if not total:
        return Division(asked, 0, dict(shares))
    composed = max(0, count - sum(asked.values()))
    return Division(asked, composed, {name: share / total for name, share in left.items()})


def asked_of(teacher: TeacherSettings, write: WriteSettings) -> dict[str, int]:
    """How many conversations and preferences of each kind the write stage asks an LLM for."""
    talk = divide(write.conversations, write.conversation_shares.model_dump(), CONVERSATIONS, teacher.parts)
    pairs = divide(write.preferences, write.preference_shares.model_dump(), PREFERENCES, teacher.parts)
    return {**talk.asked, **pairs.asked}
