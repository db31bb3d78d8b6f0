"""The records of a file as they are, whatever its kind: rows that are to be learnt from, labels, tables."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from typing import Any

from hornbook.corpus.read.charset import opened_text, text_encoding
from hornbook.corpus.read.compression import CompressionError
from hornbook.corpus.read.containers import members
from hornbook.corpus.read.hub import HubDataset, stream
from hornbook.corpus.read.kinds import CONTAINERS, Foreign, Found, ending
from hornbook.corpus.read.raw import Bad
from hornbook.records import Fault, Record, column_names, has_quotes, json_lines, json_values, table

HELD = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".arrow")  # kinds of files that hold records
LONGEST = 64_000_000  # characters of one record
NOT_UTF8 = re.compile("[\udc80-\udcff]")  # what becomes of other bytes in a table
_SAMPLE = 1 << 18  # bytes of a table that tell how it is written


def has_records(found: Found) -> bool:
    """Whether a file is of a kind that holds records, and no text."""
    return isinstance(found.file, HubDataset) or ending(found.path)[0] in HELD


def unpacked(found: Found) -> Iterator[Found | Foreign | Bad]:
    """The file itself; of an archive its members, and theirs, each to be read before the next."""
    if isinstance(found.file, HubDataset) or ending(found.path)[0] not in CONTAINERS:
        yield found
        return
    try:
        for member in members(found):
            if isinstance(member, Found):
                yield from unpacked(member)
            else:
                yield member
    except OSError as error:
        yield Bad(found.path, "unreadable", error.strerror or str(error))


def records(found: Found, maximum: int = LONGEST) -> Iterator[Record | Fault]:
    """The JSON objects or rows of a file, or of a dataset of the hub, numbered from 1, each a dict by its names.

    Of CSV and TSV all values are text. What can't be read is a Fault in its place. Raises UserError where a dataset
    can't be had.
    """
    if isinstance(found.file, HubDataset):
        yield from _hub(found.file)
        return
    kind = ending(found.path)[0]
    try:
        if kind in (".parquet", ".arrow"):
            yield from _columns(found, kind)
        elif kind in (".csv", ".tsv"):
            yield from _delimited(found, kind, maximum)
        else:
            with opened_text(found) as file:
                for one in json_values(file, maximum) if kind == ".json" else json_lines(file, maximum):
                    yield one if isinstance(one, Fault) or isinstance(one.value, dict) else _no_object(one, kind)
    except CompressionError as error:
        yield Fault(error.reason, error.detail)
    except OSError as error:
        yield Fault("unreadable", error.strerror or str(error))


def _no_object(one: Record, kind: str) -> Fault:
    hint = "; an array belongs into a .json file" if isinstance(one.value, list) and kind != ".json" else ""
    return Fault(f"no JSON object{hint}", "", one.excerpt, one.number)


def _hub(chosen: HubDataset) -> Iterator[Record | Fault]:
    for number, row in enumerate(stream(chosen, f"hf:{chosen.name}"), start=1):
        yield row if isinstance(row, Fault) else Record(number, row)


def _columns(found: Found, kind: str) -> Iterator[Record | Fault]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from hornbook.corpus.read.tables import arrow_batches

    number = 0
    try:
        with found.open() as file:
            if kind == ".parquet":
                batches: Iterator[Any] = pq.ParquetFile(file).iter_batches(1_000)
            else:
                batches = arrow_batches(file)
                next(batches)  # the schema
            for batch in batches:
                for row in batch.to_pylist():
                    number += 1
                    yield Record(number, row)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        yield Fault(f"corrupt {kind[1:]}", f"after row {number}: {str(error).split(chr(10), 1)[0]}")


def _delimited(found: Found, kind: str, maximum: int) -> Iterator[Record | Fault]:
    encoding, quoted = table_sample(found)
    with opened_text(found, encoding) as file:
        rows = table(file, maximum, delimiter="," if kind == ".csv" else "\t", quoted=quoted)
        names = column_names(next(rows, None))
        for number, one in enumerate(rows, start=1):
            if isinstance(one, Fault):
                yield one
            elif len(one.value) != len(names):
                yield Fault("broken row", f"{len(one.value)} fields under {len(names)} names", number=one.number)
            elif any(NOT_UTF8.search(field) for field in one.value):
                yield Fault("invalid UTF-8", "in a field", number=one.number)
            else:
                yield Record(number, dict(zip(names, one.value, strict=True)))


def table_sample(found: Found) -> tuple[str | None, bool]:
    """The encoding of a table that is not UTF-8, as spreadsheets write it, and whether fields are quoted."""
    with opened_text(found) as stream:
        sample = stream.read(_SAMPLE)
    encoding = None
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError as error:
        encoding = text_encoding(sample[max(0, error.start - _SAMPLE // 32) :][: _SAMPLE // 16])
    return encoding, ending(found.path)[0] != ".tsv" or has_quotes(io.BytesIO(sample))
