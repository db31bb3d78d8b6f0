"""Parquet and Arrow files (what `datasets` saves): one document a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hornbook.corpus.read.columns import kept_columns
from hornbook.corpus.read.kinds import Found
from hornbook.corpus.read.raw import TEXT, Bad, Raw, checked, text_column
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
        name = _text_column(source, file.schema_arrow.names, found.path)
        if isinstance(name, Bad):
            yield name
            return
        wanted = _columns(file.schema_arrow, name, source)
        row = 0
        for group in range(file.num_row_groups):
            batches = file.iter_batches(_BATCH, row_groups=[group], columns=wanted, use_threads=False)
            try:
                yield from _rows(batches, name, f"{found.path}:", row, source, settings.maximum_line)
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
            batches = arrow_batches(stream)
            schema = next(batches)
            name = _text_column(source, schema.names, found.path)
        except (pa.ArrowException, OSError) as error:
            yield Bad(found.path, "corrupt arrow", _first_line(error))
            return
        if isinstance(name, Bad):
            yield name
            return
        wanted = _columns(schema, name, source)
        row = 0
        try:
            for batch in batches:
                chosen = batch.select(wanted)
                parts = (chosen.slice(start, _BATCH) for start in range(0, chosen.num_rows, _BATCH))
                yield from _rows(parts, name, f"{found.path}:", row, source, settings.maximum_line)
                row += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            yield Bad(found.path, "corrupt arrow", f"after row {row}: {_first_line(error)}")
            return
        if row == 0:
            yield Bad(found.path, "empty")


def arrow_batches(stream: Any) -> Iterator[Any]:
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


def _text_column(source: Source, names: Sequence[str], path: str) -> str | Bad:
    name = text_column(source.column, names)
    if name is None:
        return Bad(path, "no text", f"no column {source.column or TEXT}")
    if names.count(name) > 1:
        return Bad(path, "no text", f"{names.count(name)} columns are called {name!r}")
    return name


def _columns(schema: Any, text: str, source: Source) -> list[str]:
    """The columns that are read: the text, and what is kept beside it, but for what holds bytes, such as pictures."""
    others = [
        field.name
        for field in schema
        if field.name != text
        and schema.names.count(field.name) == 1
        and (source.keep is None or field.name in source.keep)
        and not _holds_bytes(field.type)
    ]
    return [text, *others]


def _holds_bytes(kind: Any) -> bool:
    """Whether a value of an Arrow type is bytes, or has bytes in it."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return _holds_bytes(kind.value_type)
    ours = ("binary", "large_binary", "binary_view", "fixed_size_binary")
    return any(getattr(pa.types, f"is_{name}")(kind) for name in ours) or any(
        _holds_bytes(kind.field(number).type) for number in range(kind.num_fields)
    )


def _rows(batches: Any, name: str, prefix: str, row: int, source: Source, maximum: int) -> Iterator[Raw | Bad]:
    """The documents of record batches whose column `name` holds the text."""
    for batch in batches:
        others = [(column, batch[column]) for column in batch.schema.names if column != name]
        for at, value in enumerate(batch[name]):
            row += 1
            try:
                text = value.as_py()
            except UnicodeDecodeError as error:
                data = value.as_buffer().to_pybytes()
                yield Bad(f"{prefix}{row}", "invalid UTF-8", f"{error.reason} at byte {error.start}", readable(data))
                continue
            if isinstance(text, str) and len(text) > maximum:
                yield Bad(f"{prefix}{row}", "too long", f"more than {maximum:,} characters", readable(text))
            elif others:
                columns = kept_columns({column: _value(values[at]) for column, values in others}, name, source.keep)
                yield checked(text, f"{prefix}{row}", columns)
            else:
                yield checked(text, f"{prefix}{row}")


def _value(scalar: Any) -> Any:
    """A value that stands beside a text; None for one that is damaged, or beyond what Python knows."""
    try:
        return scalar.as_py()
    except (ValueError, OverflowError):
        return None


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]
