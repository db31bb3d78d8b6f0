"""What is known of each document of a corpus without its text."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hornbook.documents import Shard

_KNOWN = ("id", "text", "source", "score", "language")


@dataclass(frozen=True, slots=True)
class Entry:
    """A document without its text: `number` counts through the corpus's files, `characters` is the text's length."""

    number: int
    id: str
    source: str
    score: float | None
    language: str | None
    characters: int


def entries(corpus: Sequence[Shard]) -> Iterator[Entry]:
    """Everything that is known of each document, in order; no text becomes a Python object."""
    import pyarrow.compute as pc

    for shard in corpus:
        number = shard.first
        for batch in shard.batches(_KNOWN):
            lengths = pc.utf8_length(batch["text"]).to_pylist()
            columns = {name: batch[name].to_pylist() for name in batch.schema.names if name != "text"}
            nothing = [None] * batch.num_rows
            columns = {"score": nothing, "language": nothing, **columns}
            rows = zip(*(columns[name] for name in ("id", "source", "score", "language")), lengths, strict=True)
            for identity, source, score, language, length in rows:
                yield Entry(number, identity, sys.intern(source), score, language and sys.intern(language), length)
                number += 1
