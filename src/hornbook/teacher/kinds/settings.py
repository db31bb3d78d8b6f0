"""The recipe's `[teacher]` table: which LLM grades and writes, and what it may cost. Without it: the built-in one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from hornbook.errors import UserError
from hornbook.settings import Settings
from hornbook.teacher.client.settings import BudgetSettings, ClientSettings, settings_from


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
    rubric: str = Field("educational", description="a rubric's name or file")
    template: str = Field("exercises", description="the template of the exercises")
    compare: int = Field(100, ge=0, description="texts of one fixed prompt that diversity is held against")

    @model_validator(mode="after")
    def _usable(self) -> Self:
        try:
            self.client()
        except UserError as error:
            raise ValueError(str(error)) from None
        return self

    def client(self) -> ClientSettings:
        """What the client behind endpoints is told."""
        return settings_from(
            self.endpoints,
            self.model,
            cache=Path(self.cache).expanduser() if self.cache else default_cache(),
            budget=self.budget,
            timeout=self.timeout,
            most=self.most,
        )


def default_cache() -> Path:
    """Where answers are kept unless told: `hornbook/answers` in the user's cache folder."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(home) if home else Path.home() / ".cache") / "hornbook" / "answers"


PREFIX = "teacher:"  # a source of a recipe that the teacher writes
USUAL_COUNT = 10_000
BUILTIN_KINDS = ("stories",)  # what the built-in teacher writes


def ordered(path: str) -> tuple[str, int]:
    """The kind (or template file) and the number of rows of a source's path `teacher:KIND#COUNT`.

    Raises UserError for anything else.
    """
    kind, sign, count = path.removeprefix(PREFIX).partition("#")
    plain = count.replace("_", "")
    if not kind or not path.startswith(PREFIX) or (sign and not (plain.isdecimal() and plain.isascii() and int(plain))):
        raise UserError(f"{path!r} is no order for a teacher; write {PREFIX}KIND#COUNT, such as {PREFIX}stories#10000")
    return kind, int(plain) if sign else USUAL_COUNT
