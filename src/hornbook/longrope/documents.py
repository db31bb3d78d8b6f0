"""Long documents as ids: which of them a search looks at, a training reads, and a measurement keeps for itself."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from hornbook.corpus.read.formats import Raw, documents
from hornbook.corpus.read.kinds import Unreadable
from hornbook.corpus.read.settings import ReadSettings, Source
from hornbook.corpus.read.sources import find
from hornbook.documents import is_held_out, read_rows
from hornbook.errors import UserError
from hornbook.model.tokenizers import Tokenizer
from hornbook.seeds import stream

BATCH = 256


@dataclass(frozen=True)
class Document:
    """A document before it becomes ids. held_out: no training may read it."""

    id: str
    text: str
    held_out: bool = False


def of_corpus(
    corpus: Path, names: Sequence[str], minimum_score: float, *, held_out: float, seed: int
) -> Iterator[Document]:
    """A corpus folder's documents of these sources; those that are held out, whatever their score.

    held_out, seed: the tokens stage's, so that the documents which it kept for the validation loss are kept here too.
    """
    for row in read_rows(corpus, ["id", "text", "source", "score"]):
        if row["source"] not in names:
            continue
        held, score = is_held_out(row["id"], held_out, seed), row.get("score")
        if held or score is None or score >= minimum_score:
            yield Document(row["id"], row["text"], held)


def of_files(path: Path, *, held_out: float, seed: int) -> Iterator[Document]:
    """The documents of a file or of the files in a folder, each whole: .txt .md .py .rst .jsonl .jsonl.gz .parquet."""
    source = Source(name="text", path=str(path.absolute()), split=False)
    settings = ReadSettings()
    for found in find(source, Path()):
        if isinstance(found, Unreadable):
            continue
        for document in documents(found, source, settings):
            if isinstance(document, Raw):
                text = "".join(document.blocks)
                if text.strip():
                    yield Document(document.path, text, is_held_out(document.path, held_out, seed))


@dataclass(frozen=True)
class LongDocuments:
    """Ids of the documents that have at least `length` + 1 tokens, in a seeded order.

    train: to search with and to learn from; held_out: to measure with.
    """

    length: int
    train: list[list[int]]
    held_out: list[list[int]]

    def rows(self, count: int, *, held_out: bool = False) -> Tensor:
        """The beginnings of the first `count` documents, or of all where there are fewer: (rows, length + 1)."""
        chosen = (self.held_out if held_out else self.train)[:count]
        return torch.tensor([ids[: self.length + 1] for ids in chosen], dtype=torch.long).view(-1, self.length + 1)


def long_documents(
    texts: Iterable[Document],
    tokenizer: Tokenizer,
    length: int,
    *,
    seed: int,
    most_documents: int | None = None,
    most_tokens: int | None = None,
) -> LongDocuments:
    """Encode the documents that are long enough, until there are so many to train with, or tokens of them.

    The order depends on the documents' ids and the seed alone. Raises UserError where none is long enough.
    """
    ordered = sorted(texts, key=lambda text: (text.id, text.text))
    stream(seed, "longrope", "documents").shuffle(ordered)
    train: list[list[int]] = []
    held_out: list[list[int]] = []
    longest = 0

    def enough() -> bool:
        tokens = sum(map(len, train))
        return len(train) >= (most_documents or math.inf) or tokens >= (most_tokens or math.inf)

    for start in range(0, len(ordered), BATCH):
        batch = [text for text in ordered[start : start + BATCH] if text.held_out or not enough()]
        for text, ids in zip(batch, tokenizer.encode_many([one.text for one in batch]), strict=True):
            longest = max(longest, len(ids))
            if len(ids) > length:
                (held_out if text.held_out else train).append(ids)
    if not train:
        raise UserError(
            f"no document has the {length + 1:,} tokens that a context of {length:,} needs; the longest of "
            f"{len(ordered):,} has {longest:,}: give longer texts, or a shorter context"
        )
    return LongDocuments(length, train, held_out)
