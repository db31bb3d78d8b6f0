"""The last pass: documents in the order of their keys, those that are kept and those that are not.

Sorting takes as many portions as the text needs to fit into memory: keys are hashes, so equal ranges of them hold about
equal parts. Where there are several, documents are first laid out by their part, file by file, so that each part reads
what is its own and nothing else.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.corpus.clean.boilerplate import Boilerplate, CommonLines
from hornbook.corpus.clean.index import DocumentIndex
from hornbook.corpus.clean.removals import EXACT, NEAR, REASONS, Removals
from hornbook.corpus.clean.settings import CleanSettings
from hornbook.corpus.shuffle import Pieces, read_between
from hornbook.documents import (
    ORIGINAL,
    CorpusWriter,
    Row,
    Shard,
    document_id,
    document_schema,
    merge,
    removed_row,
)
from hornbook.files import digest_value
from hornbook.progress import Progress
from hornbook.runs.manifest import SCRATCH
from hornbook.workers.portion import Advance, Portion
from hornbook.workers.work import work_through

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EXAMPLE_CHARACTERS = 1_200
_LONG = 1 << 31  # bytes of text that offsets of 32 bits do not reach
_OBJECTS = 100  # rows of a file that are Python objects at once
_ROWS, _PLACES = "rows.parquet", "places.npz"


@dataclass(frozen=True)
class _Plan:
    """What all parts of the result have in common. `edges` of the parts' ranges of keys; `laid_out` where they are
    several; `examples`: so many of each reason.
    """

    removals: Removals
    laid_out: Pieces | None
    edges: Sequence[int]
    schema: Any
    off: CommonLines | None
    examples: int


def write(
    removals: Removals,
    schema: Any,
    off: CommonLines | None,
    settings: CleanSettings,
    *,
    into: Path,
    progress: Progress,
) -> dict[str, Any]:
    """Write `documents/` and `removed/`. Returns how many documents there were, are and were removed, in all and by
    source, and examples of what was dropped, by reason.

    With `off`, documents are kept without their boilerplate: a text that changes has another id, and what it was before
    is in `original`.
    """
    if off and ORIGINAL not in schema.names:
        schema = schema.append(document_schema(ORIGINAL).field(ORIGINAL))
    index = removals.index
    count = max(1, math.ceil(index.characters / settings.memory))
    edges = [((part << 32) // count) << 32 for part in range(count + 1)]
    laid_out = _laid_out(index, edges, settings, into, progress) if count > 1 else None
    plan = _Plan(removals, laid_out, edges, schema, off, settings.examples)
    key = digest_value([removals.key, str(schema), settings.examples, off and off.key])
    size = sum(shard.size for shard in index.shards)
    portions = []
    for part in range(count):
        work = partial(_write_part, plan, part)
        folder, own = into / SCRATCH / f"clean-{part:05d}", digest_value([key, edges[part], edges[part + 1]])
        portions.append(Portion(folder, own, work, size // count, len(index) / count))
    found = work_through(portions, "write documents", progress)
    merge([portion.folder for portion in portions], into)
    examples = {
        reason: [row for part in found for row in part["examples"].get(reason, [])][: settings.examples]
        for reason in REASONS
    }
    return {**_figures([part["counts"] for part in found]), "examples": _with_kept_texts(index, examples)}


def _figures(parts: Sequence[Sequence[tuple[str, str, int, int]]]) -> dict[str, Any]:
    """How many documents there were, are and were removed, in all and by source, from what parts tell (`_counts`)."""
    names = ("read", "documents", "characters", *REASONS)
    sources: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(names, 0))
    removed: Counter[str] = Counter()
    for source, reason, documents, characters in (count for part in parts for count in part):
        counts = sources[source]
        counts["read"] += documents
        counts[reason or "documents"] += documents
        if reason:
            removed[reason] += documents
        else:
            counts["characters"] += characters
    totals = {name: sum(counts[name] for counts in sources.values()) for name in ("read", "documents", "characters")}
    by_name = {source: sources[source] for source in sorted(sources)}
    return {**totals, "sources": by_name, "removed": {reason: removed[reason] for reason in REASONS}}


def _laid_out(
    index: DocumentIndex, edges: Sequence[int], settings: CleanSettings, into: Path, progress: Progress
) -> Pieces:
    """The files' documents in the order of the parts to which they go."""
    found = Pieces(into / SCRATCH, "parts", len(index.shards), digest_value([index.entries.key, list(edges)]))
    portions = []
    for place, shard in enumerate(index.shards):
        work = partial(_lay_out, shard, index.entries.folder(place), edges, settings.memory)
        portions.append(Portion.over(shard, found.folder(place), work, shard.first, list(edges), settings.memory))
    work_through(portions, "sort documents", progress)
    return found


def _lay_out(shard: Shard, entries: Path, edges: Sequence[int], most: int, folder: Path, advance: Advance) -> None:
    """Leave a file's documents again, each row group of one part, and of each row group the part and the numbers. Holds
    documents of about `most` bytes.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    own = read_between([entries], "key", 0, 1 << 64, ["key", "number"])
    part_of = np.empty(shard.rows, dtype=np.int64)
    part_of[own["number"].to_numpy() - shard.first] = np.searchsorted(
        np.array(edges[1:-1], dtype=np.uint64), own["key"].to_numpy(), "right"
    )
    parts: list[int] = []
    numbers: list[NDArray[np.int64]] = []
    writer: Any = None
    first = 0
    for batches in _bundles(shard, min(most, _LONG // 2)):
        table = _joinable(pa.Table.from_batches(batches))
        if writer is None:
            writer = pq.ParquetWriter(folder / _ROWS, table.schema, compression="zstd", write_statistics=False)
        here = part_of[first : first + table.num_rows]
        order = np.argsort(here, kind="stable")
        found, starts = np.unique(here[order], return_index=True)
        for part, rows in zip(found.tolist(), np.split(order, starts[1:]), strict=True):
            writer.write_table(table.take(rows), row_group_size=len(rows))
            parts.append(part)
            numbers.append(shard.first + first + rows)
        first += table.num_rows
        advance(table.num_rows)
    if writer is not None:
        writer.close()
    everything = np.concatenate([np.zeros(0, np.int64), *numbers])
    np.savez(folder / _PLACES, parts=parts, numbers=everything, ends=np.cumsum([len(one) for one in numbers]))


def _bundles(shard: Shard, most: int) -> Iterator[list[Any]]:
    """A file's record batches, as many at once as have about `most` bytes."""
    held: list[Any] = []
    size = 0
    for batch in shard.batches():
        held.append(batch)
        size += batch.nbytes
        if size >= most:
            yield held
            held, size = [], 0
    if held:
        yield held


def _write_part(plan: _Plan, part: int, folder: Path, advance: Advance) -> dict[str, Any]:
    """Write the documents of a range of keys, in their order. Returns for each source and reason how many documents and
    characters there are, and of those dropped the first ones, by reason.
    """
    import numpy as np

    entries, dropped = plan.removals.among(plan.edges[part], plan.edges[part + 1])
    numbers = entries["number"].to_numpy()
    counts = _counts(entries, [dropped[number][0] if number in dropped else "" for number in numbers.tolist()])
    del entries
    stored, boilerplate = plan.removals.index.shards, plan.off and plan.off.load()
    places = np.searchsorted([shard.end for shard in stored], numbers, "right")
    rows = {}
    for place in np.unique(places).tolist():
        laid_out = None if plan.laid_out is None else plan.laid_out.folder(place)
        table, there = _of_part(stored[place], laid_out, part)
        rows[place] = _in_order(table, np.searchsorted(there, numbers[places == place]))
    examples: dict[str, list[Row]] = defaultdict(list)
    with CorpusWriter(folder, plan.schema) as corpus:
        for number, place in zip(numbers.tolist(), places.tolist(), strict=True):
            row = next(rows[place])
            advance(1)
            if number not in dropped:
                corpus.keep(_without(boilerplate, row) if boilerplate else row)
                continue
            reason, other = dropped[number]
            corpus.drop(row, reason, other)
            if len(examples[reason]) < plan.examples:
                examples[reason].append(removed_row(row, reason, other))
    return {"examples": examples, "counts": counts}


def _of_part(shard: Shard, laid_out: Path | None, part: int) -> tuple[Any, NDArray[np.int64]]:
    """The documents of a file that are of a part, as a pyarrow table, and their numbers, which ascend."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    if laid_out is None:
        return pa.Table.from_batches(list(shard.batches())), np.arange(shard.first, shard.end)
    with np.load(laid_out / _PLACES) as places, pq.ParquetFile(laid_out / _ROWS) as file:
        groups = np.flatnonzero(places["parts"] == part).tolist()
        numbers, ends = places["numbers"], places["ends"].tolist()
        starts = [0, *ends]
        there = [numbers[starts[group] : ends[group]] for group in groups]
        return file.read_row_groups(groups), np.concatenate(there)


def _in_order(table: Any, order: NDArray[np.int64]) -> Iterator[Row]:
    """The rows of a table in another order. Few at a time are Python objects, which take several times the room."""
    ordered = _joinable(table).take(order)
    for start in range(0, len(order), _OBJECTS):
        yield from ordered.slice(start, _OBJECTS).to_pylist()


def _joinable(table: Any) -> Any:
    """A table whose chunks pyarrow can put together: they share dictionaries, and offsets reach the end of texts."""
    import pyarrow as pa

    if table.nbytes >= _LONG:
        for at, field in enumerate(table.schema):
            if pa.types.is_string(field.type):
                table = table.set_column(at, field.name, table[at].cast(pa.large_string()))
    return table.unify_dictionaries()


def _counts(entries: Any, reasons: Sequence[str]) -> list[tuple[str, str, int, int]]:
    """(source, reason, documents, characters) for each source and reason."""
    import pyarrow as pa

    table = entries.select(["source", "characters"]).append_column("reason", pa.array(reasons, pa.string()))
    found = table.group_by(["source", "reason"]).aggregate([("characters", "count"), ("characters", "sum")])
    columns = ("source", "reason", "characters_count", "characters_sum")
    return list(zip(*(found[name].to_pylist() for name in columns), strict=True))


def _without(boilerplate: Boilerplate, row: Row) -> Row:
    """A document without its boilerplate."""
    text = boilerplate.taken_off([row["text"]])[0]
    before = row.get(ORIGINAL) or row["id"]
    return row | {ORIGINAL: before} | ({"id": document_id(text), "text": text} if text != row["text"] else {})


def _with_kept_texts(index: DocumentIndex, examples: Mapping[str, Sequence[Row]]) -> dict[str, list[Row]]:
    """Examples, cut to what a page shows, with the text of what was kept for each in `kept_text`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted = pa.array({row["kept"] for reason in (EXACT, NEAR) for row in examples[reason]}, pa.large_string())
    texts: dict[str, str] = {}
    for place, shard in enumerate(index.shards if len(wanted) else ()):
        entries = read_between([index.entries.folder(place)], "key", 0, 1 << 64, ["id", "number"])
        found = entries.filter(pc.is_in(entries["id"], value_set=wanted))
        ids = dict(zip(found["number"].to_pylist(), found["id"].to_pylist(), strict=True))
        texts |= {ids[number]: text for number, text in shard.texts(ids)} if ids else {}
    return {
        reason: [
            {
                **row,
                "text": row["text"][:EXAMPLE_CHARACTERS],
                "kept_text": texts.get(row["kept"], "")[:EXAMPLE_CHARACTERS],
            }
            for row in rows
        ]
        for reason, rows in examples.items()
    }
