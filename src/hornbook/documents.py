"""A corpus on disk: `documents/` and, beside it, `removed/`, both folders of parquet files (shards).

Documents have `id`, `text`, `source` and `path`, then whatever columns stages add.
What was dropped keeps the beginning of its text and the reason, and `kept` is the id of the document that it repeats
or of the problem that it leaks. This module alone knows that layout.
"""

from __future__ import annotations

import hashlib
import json
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

from hornbook.errors import UserError, nearest
from hornbook.files import digest_file, naming, read_json, remove_folder, temporary_of, whole
from hornbook.seeds import derive

DOCUMENTS = "documents"
REMOVED = "removed"
COLUMNS = ("id", "text", "source", "path")
ORIGINAL = "original"  # the id that a document had before a stage changed its text
REST = "more"  # columns of which there are too many, as JSON
REMOVED_CHARACTERS = 2_000

_EXPECTED = ("id", "text", "source")  # what a corpus that others made must have
_BATCH_BYTES = 8_000_000
_WORDS = (*COLUMNS, "language")  # columns that stages know, and take for text
_OF_A_STAGE = {b"hornbook": b"stage"}  # what a column's field says that a stage added
_MOST_COLUMNS = 1_000  # of what documents came with, in one folder; what else they have goes into REST
_EXACT = 1 << 53  # beyond which a float holds no longer every whole number
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


def with_own_columns(schema: Any, added: Sequence[tuple[str, Any]]) -> tuple[Any, tuple[str, ...]]:
    """A corpus's schema with the columns that a stage adds, at its end, and those names that documents came with: their
    values are kept as `original_NAME`, by `set_aside`.
    """
    import pyarrow as pa

    came = tuple(name for name, _ in added if name in schema.names and _mark(schema.field(name)) != _OF_A_STAGE)
    for name, kind in added:
        at = schema.get_field_index(name)
        if at >= 0:
            before = schema.field(at)
            schema = schema.remove(at)
            if name in came and f"original_{name}" not in schema.names:
                schema = schema.append(pa.field(f"original_{name}", before.type))
        schema = schema.append(pa.field(name, kind, metadata=_OF_A_STAGE))
    return schema, came


def set_aside(row: Row, names: Sequence[str]) -> Row:
    """A row whose values of columns that a stage is about to write are kept beside them; see `with_own_columns`."""
    kept = {f"original_{name}": row[name] for name in names if row.get(name) is not None}
    return row | {name: value for name, value in kept.items() if row.get(name) is None}


class ShardWriter:
    """Writes rows to `part-00000.parquet`, `part-00001.parquet`, ... in one folder, in the order they are added.

    Rows are held until they make a row group; a file has its final name only when it is whole. The folder is emptied
    first, and holds one file at least, so that a corpus without documents still has its columns.
    """

    def __init__(
        self,
        folder: Path,
        schema: Any,
        *,
        more: bool = False,
        group_bytes: int = 4_000_000,
        file_bytes: int = 64_000_000,
    ) -> None:
        """`more`: rows may have columns that `schema` has not. A file has those that came up before it was begun."""
        remove_folder(folder)
        folder.mkdir(parents=True)
        self._folder, self._schema, self._more = folder, schema, more
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
            self._abandon()
            return
        try:
            if self._held or self._files == 0:
                self._flush()
            if self._writer is not None:
                self._finish_file()
        except OSError:
            self._abandon()
            raise

    def _abandon(self) -> None:
        """Leave nothing of an unfinished file."""
        if self._writer is not None:
            with suppress(OSError):  # on a full disk, once more what was raised already
                self._writer.close()
            self._names()[0].unlink(missing_ok=True)

    def _names(self) -> tuple[Path, Path]:
        name = _part(self._files)
        return temporary_of(self._folder / name), self._folder / name

    def _flush(self) -> None:
        import pyarrow.parquet as pq

        if self._more:
            wider = _widened(self._schema, self._held)
            if wider != self._schema:
                if self._writer is not None:
                    self._finish_file()
                self._schema = wider
            self._held = _folded(self._held, self._schema)
        with naming(self._names()[1]):
            if self._writer is None:
                self._writer = pq.ParquetWriter(self._names()[0], self._schema, compression="zstd")
            self._writer.write_table(_table(self._held, self._schema))
        self._written_bytes += self._held_bytes
        self._held, self._held_bytes = [], 0

    def _finish_file(self) -> None:
        temporary, final = self._names()
        with naming(final):
            self._writer.close()
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        temporary.replace(final)
        self._writer, self._written_bytes, self._files = None, 0, self._files + 1


class CorpusWriter:
    """Writes `documents/` and `removed/` of one corpus, rows in the order they come."""

    def __init__(self, folder: Path, schema: Any, removed: Any = None, *, more: bool = False) -> None:
        """`schema` is of the documents; `removed` of what is dropped, where it has columns of its own. With
        `more` documents may have others.
        """
        self._kept = ShardWriter(folder / DOCUMENTS, schema, more=more)
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


class _Long(int):
    """A whole number that a float may not hold."""


def _widened(schema: Any, rows: Sequence[Row]) -> Any:
    """A schema with all columns of `rows`: of numbers where all values are (and a column holds all their digits), and
    else of text. Where there are too many columns, REST is there for the others.
    """
    import pyarrow as pa

    kinds: dict[str, set[type]] = {}
    for row in rows:
        if len(row) > len(COLUMNS):
            for name, value in row.items():
                if value is not None:
                    kind = type(value)
                    kinds.setdefault(name, set()).add(_Long if kind is int and abs(value) > _EXACT else kind)
    known = {bool: pa.bool_(), int: pa.int64(), _Long: pa.int64(), float: pa.float64(), str: pa.string()}
    for name, found in kinds.items():
        if name in COLUMNS:
            continue
        types = [known.get(kind, pa.string()) for kind in found]
        at = schema.get_field_index(name)
        if at >= 0:
            types.append(schema.field(at).type)
        common = _common(types)
        wide = pa.field(name, pa.string() if _Long in found and pa.types.is_floating(common) else common)
        if at >= 0:
            schema = schema.set(at, wide)
        elif len(schema.names) < _MOST_COLUMNS:
            schema = schema.append(wide)
        elif REST not in schema.names:
            schema = schema.append(pa.field(REST, pa.string()))
    return schema


def _folded(rows: Sequence[Row], schema: Any) -> list[Row]:
    """Rows whose values for which there is no column are in REST, as JSON."""
    names, folded = {*schema.names}, []
    for row in rows:
        rest = {name: value for name, value in row.items() if name not in names and value is not None}
        if rest:
            kept = {name: value for name, value in row.items() if name in names}
            all_ = json.loads(row.get(REST) or "{}") | rest
            folded.append({**kept, REST: json.dumps(all_, ensure_ascii=False, default=str)})
        else:
            folded.append(row)
    return folded


def _common(types: Sequence[Any]) -> Any:
    """The type that holds values of all these types."""
    import pyarrow as pa

    kinds = [kind for kind in types if not pa.types.is_null(kind)]
    if all(kind == kinds[0] for kind in kinds):
        return kinds[0] if kinds else pa.null()
    numbers = all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in kinds)
    return pa.float64() if numbers else pa.string()


def _table(rows: Sequence[Row], schema: Any) -> Any:
    """Rows as a pyarrow table; in a column of text what is none is spelled."""
    import pyarrow as pa

    try:
        return pa.Table.from_pylist(rows, schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        texts = [field.name for field in schema if pa.types.is_string(field.type)]
        spelled = [{**row, **{name: _text(row[name]) for name in texts if name in row}} for row in rows]
        return pa.Table.from_pylist(spelled, schema=schema)


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


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
        file, it raises UserError. What is null in them is empty, and so is a `path` that is asked for and absent.
        `score` is a number, and what else stages know is text.
        """
        with _opened(self.path) as file:
            _complete(file.schema_arrow, self.path, columns)
            known = None if columns is None else [name for name in columns if name in file.schema_arrow.names]
            first = 0
            for plain in file.iter_batches(batch_size=rows, columns=known):
                batch = _settled(plain, self.path, first, columns)
                first += batch.num_rows
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
    """Whether a folder looks like a corpus, one without documents too; people have folders called `documents`."""
    return bool(_files(folder / DOCUMENTS))


def holds(folder: Path, part: str) -> bool:
    """Whether a stage may have left `part` in a folder: a file of rows, or `documents`, of which `is_corpus` tells."""
    return is_corpus(folder) if part == DOCUMENTS else (folder / part).is_file()


def no_corpus(folder: Path) -> str:
    """Why a folder is not a corpus, and how one is made of it, in a line."""
    if not folder.exists():
        return f"{folder} is not a corpus: it does not exist"
    makes = f"`hornbook read {folder} --into corpus` makes one"
    if folder.is_file():
        return f"{folder} is not a corpus: it is a file; {makes}"
    if (folder / "config.json").is_file():
        return f"{folder} is not a corpus: it is a model's folder"
    with suppress(UserError, TypeError, KeyError):
        return f"{folder} is not a corpus: the stage {read_json(folder / 'manifest.json')['stage']} made it"
    inside = [place.name for place in sorted(folder.iterdir()) if is_corpus(place)]
    what = f"these are in it: {', '.join(inside)}" if inside else f"{makes} of its files"
    return f"{folder} is not a corpus: there is no folder {DOCUMENTS} with parquet files in it; {what}"


def no_source(where: str, name: str, there: Collection[str]) -> UserError:
    """That nothing of a corpus comes from the source that a setting names, and how sources get their names."""
    known = ", ".join(sorted(map(str, there))) or "none"
    return UserError(
        f"{where}: no document comes from {name!r}{nearest(name, there)}; there are {known}. A source gets its name "
        f"when it is read: hornbook read {name}=my/folder"
    )


def shards(*corpora: Path, part: str = DOCUMENTS) -> list[Shard]:
    """The files of the corpora's documents, or of what was REMOVED, in order. Raises UserError where there are none."""
    found: list[Shard] = []
    for corpus in corpora:
        files = _files(corpus / part)
        if not files:
            raise UserError(no_corpus(corpus))
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
    import pyarrow as pa
    import pyarrow.parquet as pq

    for file in _files(corpus / part):
        with _naming_damage(file):
            schema = pq.read_schema(file)
            names = schema.names
            if column not in names:
                continue
            known = None if columns is None else [name for name in dict.fromkeys(columns) if name in names]
            kind = schema.field(column).type
            wanted = set(pa.array(sorted(values)).cast(kind).to_pylist()) if pa.types.is_integer(kind) else set(values)
            rows = pq.read_table(file, columns=known, filters=[(column, "in", wanted)]).to_pylist()
        yield from rows


def ids_that_begin(corpus: Path, beginning: str) -> set[str]:
    """The ids, of documents and of what was removed, that begin so."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    found: set[str] = set()
    for file in (*_files(corpus / DOCUMENTS), *_files(corpus / REMOVED)):
        with _naming_damage(file):
            ids = pq.read_table(file, columns=["id"])["id"].cast(pa.string())
        found.update(ids.filter(pc.starts_with(ids, beginning)).to_pylist())
    return found


def corpus_schema(corpora: Sequence[Path]) -> Any:
    """One pyarrow schema with the columns of all `corpora`; a column whose types don't fit together is text, and so is
    one of numbers that no type of number holds all digits of.
    """
    import pyarrow as pa

    found: dict[str, list[Any]] = {field.name: [field.type] for field in document_schema()}
    own: dict[str, bool] = {}
    for shard in shards(*corpora):
        with _opened(shard.path) as table:
            schema = table.schema_arrow.remove_metadata()
        _complete(schema, shard.path)
        for field in schema:
            found.setdefault(field.name, []).append(_settled_type(field.name, field.type))
            own[field.name] = own.get(field.name, True) and _mark(field) == _OF_A_STAGE
    united = {name: _unified(types) for name, types in found.items()}
    for name, kind in united.items():
        number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
        if number and len({*found[name]}) > 1 and not _held_by(kind, name, corpora):
            united[name] = pa.string()
    return pa.schema(
        [pa.field(name, kind, metadata=_OF_A_STAGE if own.get(name) else None) for name, kind in united.items()]
    )


def _held_by(kind: Any, name: str, corpora: Sequence[Path]) -> bool:
    """Whether a type of number holds every value of a column: types tell nothing of how large these are."""
    import pyarrow as pa

    for shard in shards(*corpora):
        with _opened(shard.path) as file:
            if name not in file.schema_arrow.names or file.schema_arrow.field(name).type == kind:
                continue
            for batch in file.iter_batches(columns=[name]):
                try:
                    batch[name].cast(_settled_type(name, batch[name].type)).cast(kind)
                except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                    return False
    return True


def _mark(field: Any) -> dict[bytes, bytes]:
    """What a field's metadata says but for what parquet puts there."""
    return {name: value for name, value in (field.metadata or {}).items() if not name.startswith(b"PARQUET:")}


def _unified(types: Sequence[Any]) -> Any:
    import pyarrow as pa

    try:
        fields = [pa.schema([("column", kind)]) for kind in types]
        return pa.unify_schemas(fields, promote_options="permissive").field(0).type
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.string()


def _settled_type(name: str, kind: Any) -> Any:
    import pyarrow as pa

    if name in _WORDS:
        return pa.string()
    return pa.float64() if name == "score" else kind


def _settled(batch: Any, file: Path, first: int, columns: Sequence[str] | None) -> Any:
    """Documents with the columns that stages know as these take them. `first`: the rows of the file before these."""
    import pyarrow as pa
    import pyarrow.compute as pc

    names, arrays = list(batch.schema.names), list(batch.columns)
    asked = columns is not None and "path" in columns
    if asked and "path" not in names:
        names.append("path")
        arrays.append(pa.nulls(batch.num_rows, pa.string()))
    for at, name in enumerate(names):
        kind = _settled_type(name, arrays[at].type)
        if arrays[at].type != kind:
            try:
                arrays[at] = arrays[at].cast(kind)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                what = "numbers" if name == "score" else "text"
                why = str(error).split("\n", 1)[0]
                raise UserError(
                    f"{file}: the column {name!r} should hold {what}: {why}; give it another name"
                ) from None
        if name in (COLUMNS if asked else COLUMNS[:-1]) and arrays[at].null_count:
            if name == "id":
                row = first + arrays[at].is_null().index(True).as_py() + 1
                raise UserError(f"{file}: row {row:,} has no id; give each document one that no other has")
            arrays[at] = pc.fill_null(arrays[at], "")
    return pa.RecordBatch.from_arrays(arrays, names=names)


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
