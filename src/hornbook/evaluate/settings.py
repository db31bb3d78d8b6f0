"""How a model is evaluated."""

from __future__ import annotations

from pydantic import Field

from hornbook.settings import Settings


class EvaluateSettings(Settings):
    """Limits of the evaluation; decoding is always greedy, one try a problem."""

    problems: int = Field(200, ge=1, description="at most this many held-out problems")
    batch: int = Field(100, ge=1, description="prompts decoded together")
    new_tokens: int = Field(80, ge=1, description="longest answer")
    seconds: float = Field(2.0, gt=0, description="time limit of one program in the sandbox")
