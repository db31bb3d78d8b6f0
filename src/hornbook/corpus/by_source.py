"""What stays and what goes of each source: one that is lost must not go unseen among the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hornbook.documents import DOCUMENTS, REMOVED, shards

NEARLY_GONE = 0.05  # of what was to stay of it

_ROWS = 100_000


@dataclass(frozen=True)
class Kept:
    """Of one source: the documents that were `read`, and those that were `kept`."""

    source: str
    read: int
    kept: int

    @property
    def share(self) -> float:
        """How much of it is kept."""
        return self.kept / max(1, self.read)


def counts_by_source(corpus: Path) -> dict[str, dict[str, int]]:
    """For each source how many documents were `read`, how many are `documents`, and how many went for each reason.

    Only columns of names are read. A corpus without `removed/` has lost nothing.
    """
    kept: Counter[str] = Counter()
    dropped: dict[str, Counter[str]] = {}
    for (source,), number in _counted(corpus, DOCUMENTS, ["source"]):
        kept[source] += number
    if any((corpus / REMOVED).glob("*.parquet")):
        for (source, reason), number in _counted(corpus, REMOVED, ["source", "reason"]):
            dropped.setdefault(source, Counter())[reason] += number
    found = {}
    for source in sorted({*kept, *dropped}):
        went = dropped.get(source, Counter())
        found[source] = {"read": kept[source] + went.total(), "documents": kept[source], **dict(sorted(went.items()))}
    return found


def sources(corpus: Path) -> set[str]:
    """The sources of a corpus's documents."""
    return {source for (source,), _ in _counted(corpus, DOCUMENTS, ["source"])}


def _counted(corpus: Path, part: str, columns: list[str]) -> Iterator[tuple[tuple[str, ...], int]]:
    """How often each combination of these columns' values occurs, file by file; what is missing counts as ''."""
    import pyarrow as pa

    for shard in shards(corpus, part=part):
        for batch in shard.batches(columns, rows=_ROWS):
            there = [name for name in columns if name in batch.schema.names]
            table = pa.Table.from_batches([batch]).group_by(there).aggregate([([], "count_all")])
            for row in table.to_pylist():
                yield tuple(str(row.get(name) or "") for name in columns), row["count_all"]


def kept_by_source(figures: Mapping[str, Any]) -> list[Kept]:
    """What a stage's figures tell of each source, by name; empty where they tell nothing of sources."""
    told: Mapping[str, Any] = figures.get("sources") or {}
    found = []
    for source, counts in sorted(told.items()):
        if isinstance(counts, Mapping) and "documents" in counts:
            kept = counts["documents"]
            found.append(Kept(source, counts.get("read", kept + counts.get("removed", 0)), kept))
    return found


def nearly_gone(figures: Mapping[str, Any]) -> list[Kept]:
    """The sources of which less than NEARLY_GONE is left of what was to be: all, or the share that was asked for
    (`asked`, by source).
    """
    asked: Mapping[str, float] = figures.get("asked") or {}
    return [one for one in kept_by_source(figures) if one.read and one.share < NEARLY_GONE * asked.get(one.source, 1.0)]
