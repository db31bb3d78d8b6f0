"""What can be set about grading documents. Free of heavy imports: every recipe loads this."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from hornbook.settings import NAME_OR_PLACE, PLACE, SAME_RESULT, Settings

EVERY_OTHER = "*"  # among shares by source: every source that is not named


class GradeSettings(Settings):
    """How a teacher's grades become a score for every document."""

    sample: int = Field(1_500, ge=1, description="documents that the teacher grades")
    held_out: float = Field(0.2, gt=0, lt=1, description="share of the grades kept back to measure the classifier")
    threshold: int = Field(3, ge=1, le=5, description="the grade from which a document counts as educational")
    batch: Annotated[int, SAME_RESULT] = Field(64, ge=1, description="documents handed to the teacher at once")
    examples: int = Field(5, ge=0, description="worst and best documents kept for the report")
    characters: int = Field(4_000, ge=100, description="the classifier reads this much of a document's beginning")
    features: int = Field(2**14, ge=2**8, le=2**22, description="columns that words and word pairs are hashed into")
    regularisation: float = Field(30.0, gt=0, description="logistic regression's C: larger trusts the sample more")
    embeddings: bool = Field(False, description="the classifier reads a pretrained encoder's vectors too, by an extra")
    drop: bool = Field(False, description="drop documents below the threshold; else all stay, with their scores")
    share: float | dict[str, float] | None = Field(
        None, description="keep this share of the documents, the best; or by source, * for those that are not named"
    )
    labels: Annotated[str | None, NAME_OR_PLACE] = Field(
        None, description="your own grades: a column of the corpus, or a table of id and score"
    )
    classifier: Annotated[str | None, PLACE] = Field(
        None, description="the folder of a classifier that was learned before"
    )

    @field_validator("share", mode="before")
    @classmethod
    def _shares(cls, given: Any) -> Any:
        for value in given.values() if isinstance(given, dict) else [given]:
            if value is not None and (not isinstance(value, int | float) or not 0 < value <= 1):
                raise ValueError("a share is more than 0 and at most 1; by source it is a table of shares")
        return given

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        if self.drop and self.share is not None:
            raise ValueError("drop (by the threshold) and share are two ways to keep documents: set one of them")
        if self.labels is not None and self.classifier is not None:
            raise ValueError("labels (learn from them) and classifier (learned before) are two ways: set one of them")
        return self
