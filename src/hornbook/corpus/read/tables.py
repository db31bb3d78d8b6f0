"""Parquet and Arrow files (what `datasets` saves): one document a row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hornbook.corpus.read.kinds import Found
from hornbook.corpus.read.raw import Bad, Raw, checked, text_column
from hornbook.corpus.read.settings import ReadSettings, Source
from hornbook.records import readable

_BATCH = 64
# Without a buffer of this size, or with `pre_buffer`, pyarrow reads a whole column of a row group before any row of it.
_BUFFER = 1 << 20


def parquet(found: Found, source: Source, settings: ReadSettings) -> Iterator[Raw | Bad]:
    """The documents of a parquet file, numbered by row from 1. A damaged row group leaves the others."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        place = found.file if isinstance(found.file, Path) else found.open()
        file = pq.ParquetFile(place, buffer_size=_BUFFER, pre_buffer=False)
    except PermissionError:
        raise
    except (pa.ArrowException, OSError) as error:
        yield Bad(found.path, "corrupt parquet", _first_line(error))
        return
    with file:
        name = text_column(source.column, file.schema_arrow.names)
        if name is None:
            yield Bad(found.path, "no text", f"no column {source.column or 'text or content'}")
            return
        row = 0
        for group in range(file.num_row_groups):
            batches = file.iter_batches(_BATCH, row_groups=[group], columns=[name], use_threads=False)
            try:
                yield from _rows(batches, f"{found.path}:", row, settings.maximum_line)
            except (pa.ArrowException, OSError) as error:
                yield Bad(found.path, "corrupt parquet", f"row group {group + 1}: {_first_line(error)}")
            row += file.metadata.row_group(group).num_rows
        if row == 0:
            yield Bad(found.path, "empty")


def arrow(found: Found, source: Source, settings: ReadSettings) -> Iterator[Raw | Bad]:
    """The documents of an Arrow file, as a stream (so `datasets` saves them) or with an index, by row from 1."""
    import pyarrow as pa

    with found.open() as stream:
        try:
            batches = _arrow_batches(stream)
            name = text_column(source.column, next(batches).names)
        except (pa.ArrowException, OSError) as error:
            yield Bad(found.path, "corrupt arrow", _first_line(error))
            return
        if name is None:
            yield Bad(found.path, "no text", f"no column {source.column or 'text or content'}")
            return
        row = 0
        try:
            for batch in batches:
                column = batch.select([name])
                parts = (column.slice(start, _BATCH) for start in range(0, column.num_rows, _BATCH))
                yield from _rows(parts, f"{found.path}:", row, settings.maximum_line)
                row += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            yield Bad(found.path, "corrupt arrow", f"after row {row}: {_first_line(error)}")
            return
        if row == 0:
            yield Bad(found.path, "empty")


def _arrow_batches(stream: Any) -> Iterator[Any]:
    """The schema of an Arrow file, then its record batches."""
    import pyarrow as pa

    indexed = stream.read(6) == b"ARROW1"
    stream.seek(0)
    if indexed:
        reader = pa.ipc.open_file(stream)
        yield reader.schema
        for number in range(reader.num_record_batches):
            yield reader.get_batch(number)
    else:
        reader = pa.ipc.open_stream(stream)
        yield reader.schema
        yield from reader


def _rows(batches: Any, prefix: str, row: int, maximum: int) -> Iterator[Raw | Bad]:
    """The documents of record batches with one column."""
    for batch in batches:
        for value in batch.column(0):
            row += 1
            try:
                text = value.as_py()
            except UnicodeDecodeError as error:
                yield Bad(f"{prefix}{row}", "invalid UTF-8", f"{error.reason} at byte {error.start}")
                continue
            if isinstance(text, str) and len(text) > maximum:
                yield Bad(f"{prefix}{row}", "too long", f"more than {maximum:,} characters", readable(text))
            else:
                yield checked(text, f"{prefix}{row}")


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]
