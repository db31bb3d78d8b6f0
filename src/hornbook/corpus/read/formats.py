"""From a file to the documents in it, in bounded memory. What can't be read becomes a `Bad`, never an exception."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hornbook.corpus.read.composed import notebook, pdf
from hornbook.corpus.read.containers import members
from hornbook.corpus.read.html import html
from hornbook.corpus.read.hub import HubDataset, rows
from hornbook.corpus.read.kinds import ARCHIVES, CONTAINERS, PAGES, Foreign, Found, ending
from hornbook.corpus.read.raw import Bad, Raw
from hornbook.corpus.read.rows import delimited, json, jsonl
from hornbook.corpus.read.settings import ReadSettings, Source
from hornbook.corpus.read.tables import arrow, parquet
from hornbook.corpus.read.text import text
from hornbook.corpus.read.web_archive import archive

__all__ = ["Bad", "Raw", "documents"]

Reader = Callable[[Found, Source, ReadSettings], Iterator[Raw | Bad]]

# By the ending of the file's name; everything else is text.
_READERS: dict[str, Reader] = {
    ".jsonl": jsonl,
    ".ndjson": jsonl,
    ".json": json,
    ".csv": delimited,
    ".tsv": delimited,
    ".parquet": parquet,
    ".arrow": arrow,
    ".ipynb": notebook,
    ".pdf": pdf,
    **dict.fromkeys(PAGES, html),
    **dict.fromkeys(ARCHIVES, archive),
}


def documents(found: Found, source: Source, settings: ReadSettings) -> Iterator[Raw | Bad | Foreign]:
    """The documents of one file. Those of files that hold several are numbered: lines, rows and records, from 1.

    Members of archives have paths below the archive's; what in it is of a kind that is not read comes as it is.
    """
    try:
        if isinstance(found.file, HubDataset):
            yield from rows(found.file, found.path, source, settings)
        elif ending(found.path)[0] in CONTAINERS:
            for member in members(found):
                if isinstance(member, Found):
                    yield from documents(member, source, settings)
                else:
                    yield member
        else:
            yield from _READERS.get(ending(found.path)[0], text)(found, source, settings)
    except OSError as error:
        yield Bad(found.path, "unreadable", error.strerror or str(error))
