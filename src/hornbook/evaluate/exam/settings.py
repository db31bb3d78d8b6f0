"""What the examination asks, and how."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from hornbook.errors import nearest
from hornbook.evaluate.exam.declaration import suites
from hornbook.settings import SAME_RESULT, Settings


class ExamSettings(Settings):
    """Benchmarks by name, or pages of one's own; answers are always greedy."""

    benchmarks: tuple[str, ...] = Field((), description="names, or pages of one's own; a suite's unless given")
    suite: str = Field("", description="a paper's table, whose scores are told beside")
    data: Path | None = Field(None, description="the folder of the benchmarks' files; HORNBOOK_BENCHMARKS unless given")
    limit: int | None = Field(None, ge=1, description="so many questions of each benchmark; all unless given")
    shots: int | None = Field(None, ge=0, description="examples before each question; as each page says unless given")
    chat: bool = Field(False, description="ask in the chat template")
    tokens: Annotated[int, SAME_RESULT] = Field(1024, ge=1, description="read at once")

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.suite and self.suite not in suites():
            known = ", ".join(suites())
            raise ValueError(f"there is no suite {self.suite!r}{nearest(self.suite, suites())}; there are {known}")
        return self

    @property
    def asked(self) -> tuple[str, ...]:
        """Each benchmark once."""
        return tuple(dict.fromkeys(self.benchmarks or (suites()[self.suite].benchmarks if self.suite else ())))
