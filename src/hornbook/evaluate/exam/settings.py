"""What the examination asks, and how."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from hornbook.machine import Precision
from hornbook.settings import SAME_RESULT, Settings


class ExamSettings(Settings):
    """Benchmarks by name, or pages of one's own; answers are always greedy."""

    benchmarks: tuple[str, ...] = Field((), description="names, or pages of one's own")
    data: Path | None = Field(None, description="the folder of the benchmarks' files; HORNBOOK_BENCHMARKS unless given")
    limit: int | None = Field(None, ge=1, description="so many questions of each benchmark; all unless given")
    shots: int | None = Field(None, ge=0, description="examples before each question; as each page says unless given")
    chat: bool = Field(False, description="ask in the chat template")
    precision: Precision = Field("fp32", description="what is computed in, whatever the machine")
    tokens: Annotated[int, SAME_RESULT] = Field(1024, ge=1, description="read at once")
