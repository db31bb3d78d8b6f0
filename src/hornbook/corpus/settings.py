"""What can be set about reading, grading and cleaning documents. Free of heavy imports: every recipe loads this."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from hornbook.corpus.filters.catalogue import RULES, SETS
from hornbook.errors import nearest
from hornbook.settings import Settings

Extractor = Literal["trafilatura", "resiliparse"]
Private = Literal["secret", "email", "ip", "card", "phone"]


class Source(Settings):
    """One place that documents come from.

    `path` is a file, a folder, an address (`s3://`, `gs://`, `https://`, with wildcards or without), a dataset of the
    Hugging Face hub (`hf:NAME`, `hf:NAME#CONFIG@SPLIT`), `python:source` (the running interpreter's own standard
    library) or `python:documentation` (its built-in help topics). Relative paths are relative to the recipe's folder.
    """

    name: str = Field(min_length=1, description="what the documents' `source` column says")
    path: str = Field(min_length=1, description="a file, a folder, an address, hf:NAME, python:source, ...")
    split: bool = Field(True, description="cut long documents into pieces; false keeps each whole")
    column: str | None = Field(
        None, description="column of .jsonl and .parquet that holds the text; unset: text or content"
    )
    share: float = Field(
        1.0, gt=0, le=1, description="read only this share of the documents, chosen by their paths' hash"
    )


class ReadSettings(Settings):
    """How raw files become documents."""

    maximum_characters: int = Field(8_000, ge=200, description="longer documents are cut into pieces of at most this")
    maximum_line: int = Field(
        8_000_000,
        ge=1_000,
        description="bytes: a longer line, page or record, or with split = false a longer file, is left out unread",
    )
    main_text: Extractor = Field(
        "trafilatura", description="what finds the main text of web pages; resiliparse is faster and less exact"
    )


class LanguageSettings(Settings):
    """Which languages documents may have. Codes are ISO 639-1 where there is one; source code is `code`."""

    identify: bool = Field(False, description="add the columns language and language_score")
    keep: tuple[str, ...] = Field((), description="keep only these languages; unset: all")
    minimum_score: float = Field(0.0, ge=0, le=1, description="documents whose language is less sure are dropped")
    shares: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(
        {}, description='at most these shares of the characters; "*" stands for all languages not named, together'
    )

    @model_validator(mode="after")
    def _codes(self) -> Self:
        for name in (*self.keep, *self.shares):
            if re.fullmatch(r"[a-z]{2,3}|code|und|\*", name) is None:
                raise ValueError(
                    f"there is no language {name!r}: they go by codes such as en, de, zh; source code: code"
                )
        return self

    @property
    def active(self) -> bool:
        """Whether documents need a language."""
        return bool(self.identify or self.keep or self.minimum_score or self.shares)


class PrivacySettings(Settings):
    """What of people is masked."""

    mask: tuple[Private, ...] = Field((), description="email, ip, phone, card, secret")


class HeuristicSettings(Settings):
    """Which rules documents must pass; `hornbook.corpus.filters.catalogue` names them all, with their limits."""

    rules: tuple[str, ...] = Field((), description='rules, or whole sets: "gopher", "c4", "fineweb"')
    without: tuple[str, ...] = Field((), description="rules of those sets that are left out")
    limits: dict[str, float] = Field({}, description="other limits than the published ones, by rule")
    bad_words: tuple[str, ...] = Field((), description="what c4.bad_words looks for; it comes with none of its own")

    @model_validator(mode="after")
    def _names(self) -> Self:
        for name in (*self.rules, *self.without, *self.limits):
            if name not in RULES and (name not in SETS or name in self.limits):
                raise ValueError(f"there is no rule {name!r}{nearest(name, [*RULES, *SETS])}")
        for name in self.limits:
            if RULES[name].limit is None:
                raise ValueError(f"the rule {name!r} has no limit to set")
        if self.limits and not self.rules:
            raise ValueError("limits are of rules that are on, and rules names none")
        if "c4.bad_words" in self.rules and not self.bad_words:
            raise ValueError("c4.bad_words comes with no words of its own: list them in bad_words")
        return self


class FilterSettings(Settings):
    """What happens to documents before anything grades them. Unset, nothing does."""

    language: LanguageSettings = LanguageSettings()
    privacy: PrivacySettings = PrivacySettings()
    heuristics: HeuristicSettings = HeuristicSettings()

    @property
    def active(self) -> bool:
        """Whether anything is filtered at all."""
        return bool(self.language.active or self.privacy.mask or self.heuristics.rules)


class GradeSettings(Settings):
    """How a teacher's grades become a score for every document."""

    sample: int = Field(1_500, ge=1, description="documents that the teacher grades")
    held_out: float = Field(0.2, gt=0, lt=1, description="share of the grades kept back to measure the classifier")
    threshold: int = Field(3, ge=1, le=5, description="the grade from which a document counts as educational")
    batch: int = Field(64, ge=1, description="documents handed to the teacher at once")
    examples: int = Field(5, ge=0, description="worst and best documents kept for the report")
    characters: int = Field(4_000, ge=100, description="the classifier reads this much of a document's beginning")
    features: int = Field(2**14, ge=2**8, le=2**22, description="columns that words and word pairs are hashed into")
    regularisation: float = Field(30.0, gt=0, description="logistic regression's C: larger trusts the sample more")
    drop: bool = Field(False, description="drop documents below the threshold; else all stay, with their scores")
    share: float | None = Field(
        None, gt=0, le=1, description="keep this share of the documents, the best, drop the rest"
    )

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        if self.drop and self.share is not None:
            raise ValueError("drop (by the threshold) and share are two ways to keep documents: set one of them")
        return self


class CleanSettings(Settings):
    """What counts as a duplicate and what as a leaked problem."""

    similarity: float = Field(0.7, gt=0, le=1, description="near duplicates share at least this much (Jaccard)")
    shingle: int = Field(5, ge=1, description="words in a shingle")
    bands: int = Field(16, ge=1, description="MinHash bands: more find more candidates")
    rows: int = Field(8, ge=1, description="MinHash rows a band: more make candidates more alike")
    gram: int = Field(10, ge=1, description="words in a row that make a document a candidate for contamination")
    match: float = Field(0.5, gt=0, lt=1, description="a document that holds more of a problem than this is dropped")
    against: tuple[str, ...] = Field(
        (),
        description="benchmarks (folders or files: .jsonl, .json, .csv); documents that hold their items are dropped",
    )
    examples: int = Field(3, ge=0, description="dropped documents of each reason kept for the report")
    memory: int = Field(128_000_000, ge=1_000_000, description="characters that each worker holds while writing")
