"""The last pass: documents in the order of their keys, those that are kept and those that are not.

Sorting takes as many portions as the text needs to fit into memory: keys are hashes, so equal ranges of them hold about
equal parts. Each portion reads all files and holds what is in its range.
"""

from __future__ import annotations

import bisect
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hornbook.corpus.clean.boilerplate import Boilerplate, CommonLines
from hornbook.corpus.clean.index import DocumentIndex
from hornbook.corpus.clean.removals import EXACT, NEAR, REASONS, Removals
from hornbook.corpus.clean.settings import CleanSettings
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

EXAMPLE_CHARACTERS = 1_200


def write(
    index: DocumentIndex,
    removals: Removals,
    schema: Any,
    off: CommonLines | None,
    settings: CleanSettings,
    *,
    into: Path,
    progress: Progress,
) -> dict[str, list[Row]]:
    """Write `documents/` and `removed/`. Returns examples of what was dropped, by reason.

    With `off`, documents are kept without their boilerplate: a text that changes has another id, and what it was before
    is in `original`.
    """
    if off and ORIGINAL not in schema.names:
        schema = schema.append(document_schema(ORIGINAL).field(ORIGINAL))
    rank = index.rank.tolist()
    order = sorted(range(len(index)), key=lambda number: (index.keys[number], rank[number]))
    keys = [index.keys[number] for number in order]
    count = max(1, math.ceil(int(index.characters.sum()) / settings.memory))
    size = sum(shard.size for shard in index.shards)
    digests = [shard.digest for shard in index.shards]
    portions = []
    for part in range(count):
        low, high = (bisect.bisect_left(keys, f"{(edge << 32) // count:08x}") for edge in (part, part + 1))
        members = order[low : high if part < count - 1 else len(order)]
        dropped = {number: (removals[number].reason, removals[number].kept) for number in members if number in removals}
        portions.append(
            Portion(
                folder=into / SCRATCH / f"clean-{part:05d}",
                key=digest_value(
                    [digests, str(schema), settings.examples, members, sorted(dropped.items()), off and off.key]
                ),
                work=partial(_write_part, index.shards, members, dropped, schema, off, settings.examples),
                size=size,
                units=len(members),
            )
        )
    found = work_through(portions, "write documents", progress)
    merge([portion.folder for portion in portions], into)
    examples = {
        reason: [row for part in found for row in part.get(reason, [])][: settings.examples] for reason in REASONS
    }
    return _with_kept_texts(index.shards, examples)


def _write_part(
    shards: Sequence[Shard],
    members: Sequence[int],
    dropped: Mapping[int, tuple[str, str]],
    schema: Any,
    off: CommonLines | None,
    most: int,
    folder: Path,
    advance: Advance,
) -> dict[str, list[Row]]:
    """Write the documents with these numbers, in this order. Returns the first of those dropped for each reason."""
    rows, boilerplate = _held(shards, set(members), advance), off and off.load()
    examples: dict[str, list[Row]] = defaultdict(list)
    with CorpusWriter(folder, schema) as corpus:
        for number in members:
            row = rows.pop(number)
            if number not in dropped:
                corpus.keep(_without(boilerplate, row) if boilerplate else row)
                continue
            reason, other = dropped[number]
            corpus.drop(row, reason, other)
            if len(examples[reason]) < most:
                examples[reason].append(removed_row(row, reason, other))
    return examples


def _without(boilerplate: Boilerplate, row: Row) -> Row:
    """A document without its boilerplate."""
    text = boilerplate.taken_off([row["text"]])[0]
    before = row.get(ORIGINAL) or row["id"]
    return row | {ORIGINAL: before} | ({"id": document_id(text), "text": text} if text != row["text"] else {})


def _held(shards: Sequence[Shard], wanted: set[int], advance: Advance) -> dict[int, Row]:
    """The documents with these numbers; only they become Python objects."""
    rows: dict[int, Row] = {}
    for shard in shards:
        first = shard.first
        for batch in shard.batches():
            numbers = [number for number in range(first, first + batch.num_rows) if number in wanted]
            chosen = batch.take([number - first for number in numbers]) if numbers else batch.slice(0, 0)
            rows.update(zip(numbers, chosen.to_pylist(), strict=True))
            first += batch.num_rows
            advance(len(numbers))
    return rows


def _with_kept_texts(shards: Sequence[Shard], examples: Mapping[str, Sequence[Row]]) -> dict[str, list[Row]]:
    """Examples, cut to what a page shows, with the text of what was kept for each in `kept_text`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted = pa.array({row["kept"] for reason in (EXACT, NEAR) for row in examples[reason]}, pa.string())
    texts: dict[str, str] = {}
    for shard in shards if len(wanted) else ():
        for batch in shard.batches(["id", "text"]):
            found = batch.filter(pc.is_in(batch["id"], value_set=wanted))
            texts.update(zip(found["id"].to_pylist(), found["text"].to_pylist(), strict=True))
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
