"""Files of records: JSON lines and JSON, CSV and TSV with a line of names; one document a record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hornbook.corpus.read.charset import opened_text
from hornbook.corpus.read.columns import kept_columns
from hornbook.corpus.read.compression import CompressionError
from hornbook.corpus.read.kinds import Found, ending
from hornbook.corpus.read.raw import TEXT, Bad, Raw, checked, record, text_column
from hornbook.corpus.read.records import NOT_UTF8, table_sample
from hornbook.corpus.read.settings import ReadSettings, Source
from hornbook.records import Fault, Record, column_names, json_lines, json_values, readable, table


def jsonl(found: Found, source: Source, settings: ReadSettings) -> Iterator[Raw | Bad]:
    """The documents of JSON lines, numbered by line from 1."""
    number = 0
    try:
        with opened_text(found) as stream:
            for one in json_lines(stream, settings.maximum_line):
                number = one.number or number
                yield _document(one, found.path, source)
    except CompressionError as error:
        yield Bad(found.path, error.reason, f"after line {number}: {error.detail}")
        return
    if number == 0:
        yield Bad(found.path, "empty")


def json(found: Found, source: Source, settings: ReadSettings) -> Iterator[Raw | Bad]:
    """The documents of an array of objects, of one object, or of several one after another, numbered from 1."""
    number, ended = 0, False
    try:
        with opened_text(found) as stream:
            for one in json_values(stream, settings.maximum_line):
                ended = one.number is None
                number = one.number or number
                yield _document(one, found.path, source)
    except CompressionError as error:
        yield Bad(found.path, error.reason, f"after record {number}: {error.detail}")
        return
    if number == 0 and not ended:
        yield Bad(found.path, "empty")


def delimited(found: Found, source: Source, settings: ReadSettings) -> Iterator[Raw | Bad]:
    """The documents of CSV or TSV, numbered by row from 1, the line of names not counted."""
    number = 0
    comma = ending(found.path)[0] == ".csv"
    try:
        encoding, quoted = table_sample(found)
        with opened_text(found, encoding) as stream:
            rows = table(stream, settings.maximum_line, delimiter="," if comma else "\t", quoted=quoted)
            first = next(rows, None)
            if first is None:
                yield Bad(found.path, "empty")
                return
            names = column_names(first)
            column = text_column(source.column, names)
            if column is None:
                yield Bad(found.path, "no text", f"no column {source.column or TEXT} in its first line")
                return
            for number, row in enumerate(rows, start=1):
                path = f"{found.path}:{number}"
                if isinstance(row, Fault):
                    yield Bad(path, row.reason, row.detail, row.text)
                elif len(row.value) != len(names):
                    told = f"{len(row.value)} fields under {len(names)} names"
                    yield Bad(path, "broken row", told, readable("\t".join(row.value)))
                else:
                    yield _row(dict(zip(names, row.value, strict=True)), column, path, source)
    except CompressionError as error:
        yield Bad(found.path, error.reason, f"after row {number}: {error.detail}")
        return
    if number == 0:
        yield Bad(found.path, "empty")


def _document(one: Record | Fault, file: str, source: Source) -> Raw | Bad:
    """A JSON object's text as a document. A fault of the file as a whole has the file's path."""
    path = f"{file}:{one.number}" if one.number else file
    if isinstance(one, Fault):
        return Bad(path, one.reason, one.detail, one.text)
    if not isinstance(one.value, dict):
        return Bad(path, "broken JSON", "not an object", one.excerpt)
    found = record(one.value, path, source)
    return replace(found, text=one.excerpt) if isinstance(found, Bad) and not found.text else found


def _row(fields: dict[str, str], column: str, path: str, source: Source) -> Raw | Bad:
    text = fields[column]
    damaged = NOT_UTF8.search(text)
    if damaged is not None:
        return Bad(path, "invalid UTF-8", f"at character {damaged.start()}", readable(text))
    columns = kept_columns({name: value for name, value in fields.items() if value}, column, source.keep)
    return checked(text.replace("\r\n", "\n"), path, columns)
