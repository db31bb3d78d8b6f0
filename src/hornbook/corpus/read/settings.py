"""What can be set about reading documents. Free of heavy imports: every recipe loads this."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hornbook.settings import NAME_OR_PLACE, Settings

STANDARD_INPUT = "-"

Extractor = Literal["trafilatura", "resiliparse"]


class Source(Settings):
    """One place that documents come from.

    `path` is a file, a folder, an address (`s3://`, `gs://`, `https://`, with wildcards or without), a dataset of the
    Hugging Face hub (`hf:NAME`, `hf:NAME#CONFIG@SPLIT`), `-` (standard input), `python:source` (the running
    interpreter's own standard library), `python:documentation` (its built-in help topics) or `hornbook:everyday`
    (English to measure with). Relative paths are relative to the recipe's folder.
    """

    name: str = Field(min_length=1, description="what the documents' `source` column says")
    path: Annotated[str, NAME_OR_PLACE] = Field(
        min_length=1, description="a file, a folder, an address, hf:NAME, python:source, ..."
    )
    split: bool = Field(True, description="cut long documents into chunks; false keeps each whole")
    column: str | None = Field(
        None, description="column of records that holds the text; unset: text, content or messages"
    )
    keep: tuple[str, ...] | None = Field(
        None, description="other columns of records that documents keep; unset: all of them"
    )
    links: bool = Field(False, description="follow links that lead out of the source's folder")
    share: float = Field(
        1.0, gt=0, le=1, description="read only this share of the documents, chosen by their paths' hash"
    )


class ReadSettings(Settings):
    """How raw files become documents."""

    maximum_characters: int = Field(8_000, ge=200, description="longer documents are cut into chunks of at most this")
    maximum_line: int = Field(
        8_000_000,
        ge=1_000,
        description="bytes: a longer line, page or record, or with split = false a longer file, is left out unread",
    )
    maximum_elements: int = Field(
        50_000,
        ge=1,
        description="a web page with more is left out: finding main text takes time by the square of their number",
    )
    main_text: Extractor = Field(
        "trafilatura", description="what finds the main text of web pages; resiliparse is faster and less exact"
    )
