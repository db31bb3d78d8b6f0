"""Documents as ids on disk: each is encoded once, in portions, and read from there by number."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hornbook.documents import Shard
from hornbook.files import digest_file
from hornbook.model.tokenizers import Tokenizer
from hornbook.progress import Progress
from hornbook.runs.manifest import SCRATCH
from hornbook.workers.portion import Advance, Portion
from hornbook.workers.work import work_through

_IDS, _ENDS = "ids.npy", "ends.npy"
_BATCH = 512  # documents encoded at once


class EncodedDocuments:
    """The ids of a corpus's documents, each with the end-of-text token after it, as far as `encode` was called."""

    def __init__(self, corpus: Sequence[Shard], tokenizer: Path, *, into: Path, progress: Progress) -> None:
        """`tokenizer` is its folder; `into` the stage's folder, whose scratch folder holds the ids."""
        self._corpus, self._tokenizer, self._into, self._progress = corpus, tokenizer, into, progress
        documents = corpus[-1].end if corpus else 0
        self._part = np.full(documents, -1, dtype=np.int32)
        self._start = np.zeros(documents, dtype=np.int64)
        self.lengths: NDArray[np.int64] = np.full(documents, -1, dtype=np.int64)
        """Tokens of each document, the one at its end included; -1 where it is not encoded."""
        self._ids: list[NDArray[np.uint32]] = []

    def encode(self, numbers: Iterable[int]) -> None:
        """Encode these documents, but for those that are encoded already."""
        wanted = np.zeros(len(self.lengths), dtype=bool)
        wanted[list(numbers)] = True
        wanted &= self.lengths < 0
        tokenizer = digest_file(self._tokenizer / "tokenizer.json")
        portions: list[Portion] = []
        places: list[NDArray[np.int64]] = []
        for shard in self._corpus:
            here = shard.first + np.flatnonzero(wanted[shard.first : shard.end])
            if not len(here):
                continue
            rows = frozenset(here.tolist())
            folder = self._into / SCRATCH / f"ids-{len(self._ids) + len(portions):05d}"
            work = partial(_encode_shard, shard, rows, self._tokenizer)
            portions.append(replace(Portion.over(shard, folder, work, tokenizer, sorted(rows)), units=len(rows)))
            places.append(here)
        if not portions:
            return
        work_through(portions, "encode documents", self._progress)
        for portion, here in zip(portions, places, strict=True):
            ends = np.load(portion.folder / _ENDS)
            self._part[here] = len(self._ids)
            self._start[here] = np.concatenate([[0], ends[:-1]])
            self.lengths[here] = np.diff(ends, prepend=0)
            self._ids.append(np.load(portion.folder / _IDS, mmap_mode="r"))

    def __getitem__(self, number: int) -> NDArray[np.uint32]:
        """The ids of one document that is encoded: (its length,)."""
        start = self._start[number]
        return self._ids[self._part[number]][start : start + self.lengths[number]]


@dataclass(frozen=True)
class Subset:
    """Some documents' ids as the sequences that are packed, by their places among these `numbers`."""

    encoded: EncodedDocuments
    numbers: Sequence[int]

    def __getitem__(self, place: int, /) -> NDArray[np.uint32]:
        return self.encoded[self.numbers[place]]


@cache
def _load(folder: Path, digest: str) -> Tokenizer:
    """One tokenizer for all portions of a process; `digest` tells another one in the same place from it."""
    return Tokenizer(folder)


def _encode_shard(shard: Shard, numbers: Collection[int], tokenizer: Path, folder: Path, advance: Advance) -> None:
    """Keep the ids of these documents of a file: all in one array, with where each ends."""
    loaded = _load(tokenizer, digest_file(tokenizer / "tokenizer.json"))
    ids: list[NDArray[np.uint32]] = []
    lengths: list[int] = []
    batch: list[str] = []

    def encode() -> None:
        for found in loaded.encode_many(batch):
            ids.append(np.array([*found, loaded.end_of_text], dtype=np.uint32))
            lengths.append(len(found) + 1)
        advance(len(batch))
        batch.clear()

    for _, text in shard.texts(numbers):
        batch.append(text)
        if len(batch) == _BATCH:
            encode()
    encode()
    np.save(folder / _IDS, np.concatenate(ids))
    np.save(folder / _ENDS, np.cumsum(lengths))
