"""The first passes: what is remembered of every document, on disk, and which texts are there more than once."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.corpus.shuffle import LeftOut, Pieces, RunWriter, ranges, write_numbers
from hornbook.documents import Row, Shard, document_id
from hornbook.files import digest_bytes, digest_value
from hornbook.progress import Progress
from hornbook.runs.manifest import SCRATCH
from hornbook.workers.portion import Advance, Portion
from hornbook.workers.work import work_through

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ROWS = 5_000  # documents hashed at once
_ENTRIES = 500_000  # entries looked through at once
_BYTES = 200  # of an entry on disk, about


@dataclass(frozen=True)
class DocumentIndex:
    """All documents, by number. `entries` has for each a row: `key` and `rest`, the halves of the hash of its
    normalised text, `number`, `id`, `source`, `characters`, and what decides which is rather kept (`by_preference`). A
    piece has those of one file, sorted by `key`.
    """

    shards: Sequence[Shard]
    entries: Pieces
    characters: int

    def __len__(self) -> int:
        return self.shards[-1].end if self.shards else 0


def index_documents(stored: Sequence[Shard], *, into: Path, progress: Progress) -> DocumentIndex:
    """Read everything once. Works in portions, in the scratch folder of `into`."""
    key = digest_value([shard.digest for shard in stored])
    entries = Pieces(into / SCRATCH, "hash", len(stored), key)
    portions = [
        Portion.over(shard, entries.folder(place), partial(_hash_shard, shard), shard.first)
        for place, shard in enumerate(stored)
    ]
    return DocumentIndex(stored, entries, sum(work_through(portions, "hash documents", progress)))


def _hash_shard(shard: Shard, folder: Path, advance: Advance) -> int:
    """Leave the entries of a file. Returns how many characters there are."""
    import pyarrow as pa

    names = {"key": pa.uint64(), "rest": pa.uint64(), "number": pa.int64(), "id": pa.large_string()}
    preference = {"score": pa.float64(), "digest": pa.binary(32)}
    schema = pa.schema({**names, "source": pa.large_string(), "characters": pa.int64(), **preference})
    characters, number = 0, shard.first
    with RunWriter(folder, schema, "key") as writer:
        for batch in shard.batches(rows=_ROWS):
            entries = [_entry(number + place, row) for place, row in enumerate(batch.to_pylist())]
            writer.add(pa.Table.from_pylist(entries, schema=schema))
            characters += sum(entry["characters"] for entry in entries)
            number += len(entries)
            advance(len(entries))
    return characters


def _entry(number: int, row: Row) -> dict[str, Any]:
    """`digest` is of all columns: it decides between rows with one id."""
    score, text = row.get("score"), document_id(row["text"])
    return {
        "key": int(text[:16], 16),
        "rest": int(text[16:], 16),
        "number": number,
        "id": row["id"],
        "source": row["source"],
        "characters": len(row["text"]),
        "score": -math.inf if score is None or math.isnan(score) else float(score),
        "digest": bytes.fromhex(digest_bytes(json.dumps(row, sort_keys=True, default=str).encode())),
    }


def by_preference(entries: Any, *first: str) -> NDArray[np.int64]:
    """The order of entries by the columns `first`, then the one to keep rather than any after it first: by score, then
    by id, then by all columns, then by number.
    """
    import pyarrow.compute as pc

    ascending = [(name, "ascending") for name in (*first, "id", "digest", "number")]
    keys = [*ascending[: len(first)], ("score", "descending"), *ascending[len(first) :]]
    order: NDArray[Any] = pc.sort_indices(entries, sort_keys=keys).to_numpy()
    return order.astype("int64")


def by_text(entries: Any) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The order of entries by their texts' hashes, equal ones by preference; and which are then the first of a text."""
    import numpy as np

    keys, rest = (entries[name].to_numpy() for name in ("key", "rest"))
    order = np.lexsort([rest, keys])
    keys, rest = keys[order], rest[order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = (keys[1:] != keys[:-1]) | (rest[1:] != rest[:-1])
    several = ~first
    several[:-1] |= ~first[1:]
    if several.any():  # few are: only they are compared by all that decides
        equal = order[several]
        order[several] = equal[by_preference(entries.take(equal), "key", "rest")]
    return order, first


def exact_duplicates(index: DocumentIndex, *, into: Path, progress: Progress) -> LeftOut:
    """The documents whose normalised text another document has that is rather kept, and how many these are."""
    parts = ranges(len(index), _ENTRIES)
    found = Pieces(into / SCRATCH, "equal", len(parts), digest_value(["equal", index.entries.key]))
    portions = [
        Portion(
            folder=found.folder(place),
            key=digest_value([index.entries.key, low, high]),
            work=partial(_equal_texts, index.entries, low, high),
            size=_BYTES * len(index) // len(parts),
            units=1,
        )
        for place, (low, high) in enumerate(parts)
    ]
    work_through(portions, "find equal texts", progress)
    return LeftOut(found)


def _equal_texts(entries: Pieces, low: int, high: int, folder: Path, advance: Advance) -> None:
    """Leave the numbers of all but one of each text whose hash is in a range."""
    found = entries.between("key", low, high, ["key", "rest", "number", "id", "score", "digest"])
    order, first = by_text(found)
    write_numbers(folder, found["number"].to_numpy()[order[~first]])
    advance(1)
