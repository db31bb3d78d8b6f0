"""A corpus in passages: as much of a document as a question takes, so that a book is not one blurred text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hornbook.documents import read_batches

CHARACTERS = 1_200
STEP = CHARACTERS // 2  # what is no longer than this lies whole in one passage at least


@dataclass(frozen=True)
class Passage:
    """A part of a document, and where it begins: `start` in characters."""

    document: str
    source: str
    path: str
    start: int
    text: str


def passages(corpus: Path) -> Iterator[Passage]:
    """Every passage of every document, in the corpus's order."""
    for batch in read_batches(corpus, ["id", "text", "source", "path"]):
        for row in batch.to_pylist():
            for start, text in windows(row["text"] or ""):
                yield Passage(row["id"], row["source"], row.get("path") or "", start, text)


def windows(text: str) -> Iterator[tuple[int, str]]:
    """Overlapping parts of a text, each with its start; those of white space alone are left out."""
    for start in range(0, max(1, len(text) - STEP), STEP):
        part = text[start : start + CHARACTERS]
        if not part.isspace() and part:
            yield start, part
