"""A corpus on disk: `documents/` and, beside it, `removed/`, both folders of parquet files (shards).

Documents have `id`, `text`, `source` and `path`, then whatever columns stages add.
What was dropped keeps the beginning of its text and the reason, and `kept` is the id of the document that it repeats
or of the problem that it leaks. This module alone knows that layout.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hornbook.errors import UserError
from hornbook.files import digest_file, remove_folder, temporary_of, whole
from hornbook.seeds import derive

DOCUMENTS = "documents"
REMOVED = "removed"
COLUMNS = ("id", "text", "source", "path")
REMOVED_CHARACTERS = 2_000

_EXPECTED = ("id", "text", "source")  # what a corpus that others made must have
_BATCH_BYTES = 8_000_000
_BLANK_LINES = re.compile(r"\n{3,}")

Row = dict[str, Any]


# --- Which document is which


def normalise(text: str) -> str:
    """The text as it is compared: Unicode NFC, line ends as \\n, no trailing spaces, at most one blank line in a row,
    no blank lines at either end. Case and indentation stay: in code they mean something.
    """
    text = unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n")
    lines = "\n".join(line.rstrip(" \t\f\v") for line in text.split("\n"))
    if "\n\n\n" in lines:  # rare, and the search for it costs more than all the rest
        lines = _BLANK_LINES.sub("\n\n", lines)
    return lines.strip("\n")


def document_id(text: str) -> str:
    """The first 32 hexadecimal digits of the normalised text's SHA-256."""
    return hashlib.sha256(normalise(text).encode("utf-8")).hexdigest()[:32]


def is_held_out(identity: str, share: float, seed: int) -> bool:
    """Whether a document is kept from training, to measure with. Of many documents `share` are, by ids and seed."""
    return derive(seed, "held out", identity) / (1 << 63) < share


# --- Writing


def document_schema(*more: str) -> Any:
    """The columns every document has, then `more` columns of strings, as a pyarrow schema."""
    import pyarrow as pa

    return pa.schema([(name, pa.string()) for name in (*COLUMNS, *more)])


def removed_schema() -> Any:
    """The columns of what was dropped, as a pyarrow schema."""
    return document_schema("reason", "kept")


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
                with suppress(OSError):  # on a full disk, once more what is raised already
                    self._writer.close()
                self._names()[0].unlink(missing_ok=True)
            return
        if self._held or self._files == 0:
            self._flush()
        if self._writer is not None:
            self._finish_file()

    def _names(self) -> tuple[Path, Path]:
        name = _part(self._files)
        return temporary_of(self._folder / name), self._folder / name

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


class CorpusWriter:
    """Writes `documents/` and `removed/` of one corpus, rows in the order they come."""

    def __init__(self, folder: Path, schema: Any, removed: Any = None) -> None:
        """`schema` is of the documents; `removed` of what is dropped, where it has columns of its own."""
        self._kept = ShardWriter(folder / DOCUMENTS, schema)
        self._removed = ShardWriter(folder / REMOVED, removed or removed_schema())

    @property
    def documents(self) -> int:
        """How many were kept so far."""
        return self._kept.rows

    def keep(self, row: Row) -> None:
        """Add a document."""
        self._kept.add(row)

    def drop(self, row: Row, reason: str, kept: str = "", **more: Any) -> None:
        """Add a document to what was dropped, and why; `more` are values of other columns."""
        self._removed.add({**removed_row(row, reason, kept), **more})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kept.__exit__(kind, error, trace)
        self._removed.__exit__(kind, error, trace)


def merge(corpora: Sequence[Path], into: Path) -> None:
    """Make one corpus of several, file by file in their order. Can be interrupted and repeated.

    Files without rows are left out where there are others. The others are linked, not copied, where the disk can: they
    take room once, until the folders they were merged from are deleted.
    """
    for part in (DOCUMENTS, REMOVED):
        files = [file for corpus in corpora for file in _files(corpus / part)]
        filled = [file for file in files if _rows_in(file) > 0]
        remove_folder(into / part)
        (into / part).mkdir(parents=True)
        for number, file in enumerate(filled or files[:1]):
            _link(file, into / part / _part(number))


def _part(number: int) -> str:
    return f"part-{number:05d}.parquet"


def _link(file: Path, place: Path) -> None:
    """The same file in a second place: without copying, where the disk can."""
    try:
        os.link(file, place)
    except OSError:
        with whole(place) as temporary:
            shutil.copyfile(file, temporary)


# --- Reading


@dataclass(frozen=True)
class Shard:
    """One file of a corpus, or of several; its documents have the numbers from `first` to before `end`."""

    path: Path
    first: int
    rows: int

    @property
    def end(self) -> int:
        """The number after its last document's."""
        return self.first + self.rows

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self.path.stat().st_size

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the file, read once."""
        return digest_file(self.path)

    def batches(self, columns: Sequence[str] | None = None, rows: int = 1_000) -> Iterator[Any]:
        """The documents as pyarrow record batches of at most `rows` rows and, of long ones, about 8 MB, in order.

        Columns that the file lacks are left out, but for those that every corpus has: without these, and for a damaged
        file, it raises UserError.
        """
        with _opened(self.path) as file:
            _complete(file.schema_arrow, self.path, columns)
            known = None if columns is None else [name for name in columns if name in file.schema_arrow.names]
            for batch in file.iter_batches(batch_size=rows, columns=known):
                # Rows become Python objects, which take several times the room: fewer at once where they are long.
                size = max(1, batch.num_rows * _BATCH_BYTES // max(batch.nbytes, _BATCH_BYTES))
                for start in range(0, batch.num_rows, size):
                    yield batch.slice(start, size)

    def texts(self, numbers: Collection[int]) -> Iterator[tuple[int, str]]:
        """The texts of those of these documents that are in the file, with their numbers, in order."""
        first = self.first
        for batch in self.batches(["text"]):
            for number in range(first, first + batch.num_rows):
                if number in numbers:
                    yield number, batch["text"][number - first].as_py()
            first += batch.num_rows


def is_corpus(folder: Path) -> bool:
    """Whether a folder looks like a corpus, one without documents too."""
    return (folder / DOCUMENTS).is_dir()


def shards(*corpora: Path, part: str = DOCUMENTS) -> list[Shard]:
    """The files of the corpora's documents, or of what was REMOVED, in order. Raises UserError where there are none."""
    found: list[Shard] = []
    for corpus in corpora:
        files = _files(corpus / part)
        if not files:
            raise UserError(f"{corpus} is not a corpus: there are no parquet files in {corpus / part}")
        for file in files:
            found.append(Shard(file, found[-1].end if found else 0, _rows_in(file)))
    return found


def read_batches(corpus: Path, columns: Sequence[str] | None = None, rows: int = 1_000) -> Iterator[Any]:
    """The documents as pyarrow record batches, in order; see `Shard.batches`."""
    for shard in shards(corpus):
        yield from shard.batches(columns, rows)


def read_rows(corpus: Path, columns: Sequence[str] | None = None, *, part: str = DOCUMENTS) -> Iterator[Row]:
    """The documents, or what was REMOVED, row by row, in order."""
    for shard in shards(corpus, part=part):
        for batch in shard.batches(columns):
            yield from batch.to_pylist()


def rows_where(
    corpus: Path, column: str, values: Collection[str], columns: Sequence[str] | None = None, *, part: str = DOCUMENTS
) -> Iterator[Row]:
    """The rows of documents, or of what was REMOVED, whose `column` has one of these values, in order.

    Only their texts are read. Columns that a file lacks are left out, and files that lack `column` passed over.
    """
    import pyarrow.parquet as pq

    for file in _files(corpus / part):
        with _naming_damage(file):
            names = pq.read_schema(file).names
            if column not in names:
                continue
            known = None if columns is None else [name for name in dict.fromkeys(columns) if name in names]
            rows = pq.read_table(file, columns=known, filters=[(column, "in", set(values))]).to_pylist()
        yield from rows


def ids_that_begin(corpus: Path, beginning: str) -> set[str]:
    """The ids, of documents and of what was removed, that begin so."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    found: set[str] = set()
    for file in (*_files(corpus / DOCUMENTS), *_files(corpus / REMOVED)):
        with _naming_damage(file):
            ids = pq.read_table(file, columns=["id"])["id"]
        found.update(ids.filter(pc.starts_with(ids, beginning)).to_pylist())
    return found


def corpus_schema(corpora: Sequence[Path]) -> Any:
    """One pyarrow schema with the columns of all `corpora`. Raises UserError where types of a column don't agree."""
    import pyarrow as pa

    schemas = [document_schema()]
    for shard in shards(*corpora):
        with _opened(shard.path) as table:
            schema = table.schema_arrow.remove_metadata()
        _complete(schema, shard.path)
        schemas.append(schema)
    try:
        return pa.unify_schemas(schemas, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise UserError(f"the corpora's columns don't fit together: {error}") from None


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.parquet"))


def _rows_in(file: Path) -> int:
    """How many rows a parquet file has, by its footer. Raises UserError for a damaged one."""
    with _opened(file) as table:
        return int(table.metadata.num_rows)


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    """A corpus's file as pyarrow's ParquetFile. Raises UserError that names a damaged one."""
    import pyarrow.parquet as pq

    with _naming_damage(file), pq.ParquetFile(file) as table:
        yield table


@contextmanager
def _naming_damage(file: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowInvalid, OSError) as error:
        why = str(error).split("\n", 1)[0]
        raise UserError(f"{file} is damaged: {why}; make the corpus again, or move the file away") from None


def _complete(schema: Any, file: Path, columns: Sequence[str] | None = None) -> None:
    """Raise UserError where a file lacks what every corpus has, if it is among the `columns` to be read."""
    missing = [name for name in _EXPECTED if name not in schema.names and (columns is None or name in columns)]
    if missing:
        raise UserError(f"{file} has no column {missing[0]!r}: a corpus has id, text and source")
