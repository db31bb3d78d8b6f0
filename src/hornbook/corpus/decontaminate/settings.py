"""What counts as a leak of what a model is measured with. Free of heavy imports: every recipe loads this."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hornbook.settings import PLACE, Settings


class DecontaminationSettings(Settings):
    """What counts as a leaked problem, and which benchmarks are looked for."""

    ngram: int = Field(10, ge=1, description="words in a row that make a document a candidate for contamination")
    match: float = Field(0.5, gt=0, lt=1, description="a document that holds more of a problem than this is dropped")
    against: Annotated[tuple[str, ...], PLACE] = Field(
        (),
        description="benchmarks (folders or files: .jsonl, .json, .csv); documents that hold their items are dropped",
    )
