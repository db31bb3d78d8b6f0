"""What can be set about cleaning documents. Free of heavy imports: every recipe loads this."""

from __future__ import annotations

from pydantic import Field

from hornbook.corpus.decontaminate.settings import DecontaminationSettings


class CleanSettings(DecontaminationSettings):
    """What counts as a duplicate and what as a leaked problem."""

    similarity: float = Field(0.7, gt=0, le=1, description="near duplicates share at least this much (Jaccard)")
    shingle: int = Field(5, ge=1, description="words in a shingle")
    bands: int = Field(16, ge=1, description="MinHash bands: more find more candidates")
    rows: int = Field(8, ge=1, description="MinHash rows a band: more make candidates more alike")
    boilerplate: int = Field(100, ge=0, description="lines that more documents have are taken off to compare; 0: none")
    boilerplate_words: int = Field(30, ge=1, description="words of such lines in a row that are boilerplate")
    remove_boilerplate: bool = Field(False, description="take them out of the text that is kept, too")
    examples: int = Field(3, ge=0, description="dropped documents of each reason kept for the report")
    memory: int = Field(128_000_000, ge=1_000_000, description="characters that each worker holds while writing")
