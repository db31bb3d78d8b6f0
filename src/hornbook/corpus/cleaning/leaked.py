"""The third pass: documents that hold what the model will be measured with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hornbook.corpus.cleaning.entries import Entries
from hornbook.corpus.cleaning.fates import CONTAMINATED, Fate, Fates
from hornbook.corpus.leaks.benchmarks import say_left_out
from hornbook.corpus.protect import Protected
from hornbook.corpus.settings import CleanSettings
from hornbook.documents import Shard
from hornbook.files import digest_value
from hornbook.manifest import SCRATCH
from hornbook.progress import Progress
from hornbook.workers.portion import Advance, Portion
from hornbook.workers.work import done_here, work_through


@dataclass(frozen=True)
class Guarded:
    """Where the problems are that no document may hold: what `Protected` is made of."""

    problems: Path | None
    against: tuple[Path, ...]
    settings: CleanSettings


# One for all portions of a process, by a digest that tells problems that have changed from these.
_ready: dict[str, Protected] = {}


def _protected(guarded: Guarded, digest: str) -> Protected:
    if digest not in _ready:
        _ready.clear()
        _ready[digest] = Protected(guarded.problems, guarded.against, guarded.settings)
    return _ready[digest]


def leaked(
    entries: Entries, fates: Fates, guarded: Guarded, protected: Protected, *, into: Path, progress: Progress
) -> Fates:
    """The documents without a fate that hold a problem. `protected` is what `guarded` names, loaded."""
    if not protected.texts:
        return {}
    settings = guarded.settings.model_dump(include={"gram", "match"})
    digest = digest_value([protected.texts, settings])
    portions = []
    for number, shard in enumerate(entries.shards):
        left = [row for row in range(shard.rows) if shard.first + row not in fates]
        portions.append(
            Portion.over(
                shard,
                into / SCRATCH / f"leaks-{number:05d}",
                partial(_search_shard, shard, left, guarded, digest),
                *(digest, left),
            )
        )
    say_left_out(protected.left_out, progress)
    if done_here(portions):  # workers prepare for themselves
        protected.prepare(progress)
        _ready.clear()
        _ready[digest] = protected
    try:
        found = work_through(portions, "look for problems", progress)
    finally:
        _ready.clear()
    return {
        shard.first + row: Fate(CONTAMINATED, name)
        for shard, leaks in zip(entries.shards, found, strict=True)
        for row, name in leaks
    }


def _search_shard(
    shard: Shard, left: Sequence[int], guarded: Guarded, digest: str, folder: Path, advance: Advance
) -> list[tuple[int, str]]:
    """Of these rows of a file those that hold something, each with its name."""
    protected, wanted = _protected(guarded, digest), set(left)
    leaks: list[tuple[int, str]] = []
    first = 0
    for batch in shard.batches(["text"]):
        rows = [row for row in range(first, first + batch.num_rows) if row in wanted]
        texts = [batch["text"][row - first].as_py() for row in rows]
        leaks += [(row, held) for row, held in zip(rows, protected.find(texts), strict=True) if held is not None]
        first += batch.num_rows
        advance(batch.num_rows)
    return leaks
