"""A corpus on disk: `documents/` and, beside it, `removed/`, both folders of parquet files.

Documents have `id`, `text`, `source` and `path`, then whatever columns stages add.
What was dropped keeps the beginning of its text and the reason, and `kept` is the id of the document that it repeats
or of the problem that it leaks.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hornbook.errors import UserError
from hornbook.files import remove_folder

DOCUMENTS = "documents"
REMOVED = "removed"
REMOVED_CHARACTERS = 2_000
_BATCH_BYTES = 8_000_000

Row = dict[str, Any]


def document_schema() -> Any:
    """The columns every document has, as a pyarrow schema."""
    import pyarrow as pa

    return pa.schema([(name, pa.string()) for name in ("id", "text", "source", "path")])


def removed_schema() -> Any:
    """The columns of what was dropped, as a pyarrow schema."""
    import pyarrow as pa

    return pa.schema([(name, pa.string()) for name in ("id", "text", "source", "path", "reason", "kept")])


def removed_row(row: Row, reason: str, kept: str = "") -> Row:
    """The row of `removed/` for a document that was dropped for `reason`."""
    text = (row.get("text") or "")[:REMOVED_CHARACTERS]
    named = {name: row.get(name) or "" for name in ("id", "source", "path")}
    return {**named, "text": text, "reason": reason, "kept": kept}


class ShardWriter:
    """Writes rows to `part-00000.parquet`, `part-00001.parquet`, ... in one folder, in the order they are added.

    Rows are held until they make a row group; a file has its final name only when it is whole. The folder is emptied
    first, and holds one file at least, so that a corpus without documents still has its columns.
    """

    def __init__(
        self, folder: Path, schema: Any, *, group_bytes: int = 4_000_000, file_bytes: int = 64_000_000
    ) -> None:
        remove_folder(folder)
        folder.mkdir(parents=True)
        self._folder, self._schema = folder, schema
        self._group_bytes, self._file_bytes = group_bytes, file_bytes
        self._held: list[Row] = []
        self._held_bytes = self._written_bytes = self._files = self.rows = 0
        self._writer: Any = None

    def add(self, row: Row) -> None:
        """Add one row; columns it lacks are null."""
        self._held.append(row)
        self._held_bytes += len(row["text"] or "")
        self.rows += 1
        if self._held_bytes >= self._group_bytes or len(self._held) >= 10_000:
            self._flush()
            if self._written_bytes >= self._file_bytes:
                self._finish_file()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            if self._writer is not None:
                self._writer.close()  # the unfinished file keeps its temporary name
            return
        if self._held or self._files == 0:
            self._flush()
        if self._writer is not None:
            self._finish_file()

    def _names(self) -> tuple[Path, Path]:
        name = f"part-{self._files:05d}.parquet"
        return self._folder / f".{name}.tmp", self._folder / name

    def _flush(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        if self._writer is None:
            self._writer = pq.ParquetWriter(self._names()[0], self._schema, compression="zstd")
        self._writer.write_table(pa.Table.from_pylist(self._held, schema=self._schema))
        self._written_bytes += self._held_bytes
        self._held, self._held_bytes = [], 0

    def _finish_file(self) -> None:
        self._writer.close()
        temporary, final = self._names()
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(final)
        self._writer, self._written_bytes, self._files = None, 0, self._files + 1


def shard_files(corpus: Path) -> list[Path]:
    """The parquet files of a corpus's documents, in order. Raises UserError when there are none."""
    files = sorted((corpus / DOCUMENTS).glob("*.parquet"))
    if not files:
        raise UserError(f"{corpus} is not a corpus: there are no parquet files in {corpus / DOCUMENTS}")
    return files


def rows_in(file: Path) -> int:
    """How many rows a parquet file has, by its footer. Raises UserError for a damaged one."""
    with opened(file) as table:
        return int(table.metadata.num_rows)


@contextmanager
def opened(file: Path) -> Iterator[Any]:
    """A corpus's file as pyarrow's ParquetFile. Raises UserError that names a damaged one."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as table:
            yield table
    except (pa.ArrowInvalid, OSError) as error:
        why = str(error).split("\n", 1)[0]
        raise UserError(f"{file} is damaged: {why}; make the corpus again, or move the file away") from None


def corpus_schema(corpora: Sequence[Path]) -> Any:
    """One pyarrow schema with the columns of all `corpora`. Raises UserError where types of a column don't agree."""
    import pyarrow as pa

    schemas = [document_schema()]
    for corpus in corpora:
        for file in shard_files(corpus):
            with opened(file) as table:
                schema = table.schema_arrow.remove_metadata()
            _complete(schema, file)
            schemas.append(schema)
    try:
        return pa.unify_schemas(schemas, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise UserError(f"the corpora's columns don't fit together: {error}") from None


def _complete(schema: Any, file: Path) -> None:
    missing = [name for name in ("id", "text", "source") if name not in schema.names]
    if missing:
        raise UserError(f"{file} has no column {missing[0]!r}: a corpus has id, text and source")


def read_batches(corpus: Path, columns: Sequence[str] | None = None, rows: int = 1_000) -> Iterator[Any]:
    """The documents as pyarrow record batches, in order; see `file_batches`."""
    for path in shard_files(corpus):
        yield from file_batches(path, columns, rows)


def file_batches(path: Path, columns: Sequence[str] | None = None, rows: int = 1_000) -> Iterator[Any]:
    """One file as pyarrow record batches of at most `rows` rows and, of long ones, about 8 MB, in order.

    Raises UserError for a damaged file, and for one that lacks what every corpus has.
    """
    with opened(path) as file:
        _complete(file.schema_arrow, path)
        known = None if columns is None else [name for name in columns if name in file.schema_arrow.names]
        for batch in file.iter_batches(batch_size=rows, columns=known):
            # Rows become Python objects, which take several times the room: fewer at once where they are long.
            size = max(1, batch.num_rows * _BATCH_BYTES // max(batch.nbytes, _BATCH_BYTES))
            for start in range(0, batch.num_rows, size):
                yield batch.slice(start, size)


def read_rows(corpus: Path, columns: Sequence[str] | None = None) -> Iterator[Row]:
    """The documents one by one, in order."""
    for batch in read_batches(corpus, columns):
        yield from batch.to_pylist()
