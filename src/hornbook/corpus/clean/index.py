"""The first pass: what is remembered of every document, so that later passes know it by its number."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.documents import Row, Shard, document_id
from hornbook.files import digest_bytes
from hornbook.progress import Progress
from hornbook.runs.manifest import SCRATCH
from hornbook.workers.portion import Advance, Portion
from hornbook.workers.work import work_through

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ENTRIES = "entries.parquet"
_ROWS = 5_000  # documents hashed at once


@dataclass(frozen=True)
class DocumentIndex:
    """All documents, by number. `keys` are hashes of normalised texts."""

    shards: Sequence[Shard]
    keys: list[str]
    ids: list[str]
    sources: list[str]
    characters: NDArray[np.int64]
    preferred: NDArray[np.int64]
    """Numbers, the one to keep rather than any after it first: by score, then by id, then by all columns."""

    @cached_property
    def rank(self) -> NDArray[np.int64]:
        """The place of each document in `preferred`."""
        import numpy as np

        rank = np.empty_like(self.preferred)
        rank[self.preferred] = np.arange(len(self.preferred))
        return rank

    def __len__(self) -> int:
        return len(self.keys)


def index_documents(stored: Sequence[Shard], *, into: Path, progress: Progress) -> DocumentIndex:
    """Read everything once. Works in portions, in the scratch folder of `into`."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    portions = [
        Portion.over(shard, into / SCRATCH / f"hash-{number:05d}", partial(_hash_shard, shard))
        for number, shard in enumerate(stored)
    ]
    work_through(portions, "hash documents", progress)
    found = pa.concat_tables([pq.read_table(portion.folder / _ENTRIES) for portion in portions])
    preferred = pc.sort_indices(found, [("score", "descending"), ("id", "ascending"), ("digest", "ascending")])
    return DocumentIndex(
        shards=stored,
        keys=found["key"].to_pylist(),
        ids=found["id"].to_pylist(),
        sources=found["source"].to_pylist(),
        characters=found["characters"].to_numpy(),
        preferred=preferred.to_numpy().astype("int64"),
    )


def _hash_shard(shard: Shard, folder: Path, advance: Advance) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = {"key": pa.string(), "id": pa.string(), "source": pa.string(), "score": pa.float64()}
    schema = pa.schema([*names.items(), ("digest", pa.string()), ("characters", pa.int64())])
    with pq.ParquetWriter(folder / _ENTRIES, schema, compression="zstd") as writer:
        for batch in shard.batches(rows=_ROWS):
            rows = batch.to_pylist()
            writer.write_table(pa.Table.from_pylist([_entry(row) for row in rows], schema=schema))
            advance(len(rows))


def _entry(row: Row) -> dict[str, Any]:
    """`digest` is of all columns: it decides between rows with one id."""
    score = row.get("score")
    return {
        "key": document_id(row["text"]),
        "id": row["id"],
        "source": row["source"],
        "score": -math.inf if score is None or math.isnan(score) else float(score),
        "digest": digest_bytes(json.dumps(row, sort_keys=True, default=str).encode()),
        "characters": len(row["text"]),
    }
