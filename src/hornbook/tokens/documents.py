"""A corpus as this room reads it: what is known of each document, and the texts of those that are asked for."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_BATCH = 512  # documents read at once
_KNOWN = ("id", "text", "source", "score", "language")


@dataclass(frozen=True)
class Document:
    """A document with its text."""

    id: str
    text: str
    source: str
    score: float | None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A document without its text: `number` counts through the corpus's files, `characters` is the text's length."""

    number: int
    id: str
    source: str
    score: float | None
    language: str | None
    characters: int


@dataclass(frozen=True)
class File:
    """One file of a corpus; its documents have the numbers from `first` to before `end`."""

    path: Path
    first: int
    end: int

    def texts(self, numbers: Collection[int]) -> Iterator[tuple[int, str]]:
        """The texts of those of these documents that are in the file, with their numbers, in order."""
        first = self.first
        for batch in _batches(self.path, ("text",)):
            for number in range(first, first + batch.num_rows):
                if number in numbers:
                    yield number, batch["text"][number - first].as_py()
            first += batch.num_rows


def files(corpus: Path) -> list[File]:
    """The files of a corpus folder, in order."""
    import pyarrow.parquet as pq

    found: list[File] = []
    first = 0
    for path in sorted((corpus / "documents").glob("*.parquet")):
        end = first + int(pq.read_metadata(path).num_rows)
        found.append(File(path, first, end))
        first = end
    return found


def entries(corpus: Sequence[File]) -> Iterator[Entry]:
    """Everything that is known of each document, in order; no text becomes a Python object."""
    import pyarrow.compute as pc

    for file in corpus:
        number = file.first
        for batch in _batches(file.path, _KNOWN):
            lengths = pc.utf8_length(batch["text"]).to_pylist()
            columns = {name: batch[name].to_pylist() for name in batch.schema.names if name != "text"}
            nothing = [None] * batch.num_rows
            columns = {"score": nothing, "language": nothing, **columns}
            rows = zip(*(columns[name] for name in ("id", "source", "score", "language")), lengths, strict=True)
            for identity, source, score, language, length in rows:
                yield Entry(number, identity, sys.intern(source), score, language and sys.intern(language), length)
                number += 1


def documents(corpus: Path) -> Iterator[Document]:
    """Stream a corpus folder's documents in the order of its files."""
    for file in files(corpus):
        for batch in _batches(file.path, _KNOWN):
            for row in batch.to_pylist():
                yield Document(row["id"], row["text"], row["source"], row.get("score"), row.get("language"))


def _batches(path: Path, columns: Sequence[str]) -> Iterator[Any]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        there = [name for name in columns if name in file.schema_arrow.names]
        yield from file.iter_batches(batch_size=_BATCH, columns=there)
