"""How a model is quantized."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from hornbook.settings import Settings


class QuantizeSettings(Settings):
    """4 bits a weight in groups of 32."""

    embeddings: Literal["4bit", "half"] = Field("half", description="the embedding in 4 bits too, or in fp16")
    calibration_rows: int = Field(
        256, ge=0, description="training rows that errors are weighed by; 0: nearest rounding"
    )
