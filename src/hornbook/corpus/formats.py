"""From a file to the documents in it, in bounded memory. What can't be read becomes a `Bad`, never an exception."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hornbook.corpus.reading.crawl import archive
from hornbook.corpus.reading.delimited import delimited
from hornbook.corpus.reading.html import html
from hornbook.corpus.reading.hub import HubDataset, rows
from hornbook.corpus.reading.items import Bad, Raw
from hornbook.corpus.reading.jsonl import jsonl
from hornbook.corpus.reading.objects import objects
from hornbook.corpus.reading.tables import arrow, parquet
from hornbook.corpus.reading.text import text
from hornbook.corpus.settings import ReadSettings, Source
from hornbook.corpus.sources import ARCHIVES, PAGES, Found, ending

__all__ = ["Bad", "Raw", "documents"]

Reader = Callable[[Found, Source, ReadSettings], Iterator[Raw | Bad]]

# By the ending of the file's name; everything else is text.
_READERS: dict[str, Reader] = {
    ".jsonl": jsonl,
    ".json": objects,
    ".csv": delimited,
    ".tsv": delimited,
    ".parquet": parquet,
    ".arrow": arrow,
    **dict.fromkeys(PAGES, html),
    **dict.fromkeys(ARCHIVES, archive),
}


def documents(found: Found, source: Source, settings: ReadSettings) -> Iterator[Raw | Bad]:
    """The documents of one file. Those of files that hold several are numbered: lines, rows and records, from 1."""
    try:
        if isinstance(found.file, HubDataset):
            yield from rows(found.file, found.path, source, settings)
        else:
            yield from _READERS.get(ending(found.path)[0], text)(found, source, settings)
    except OSError as error:
        yield Bad(found.path, "unreadable", error.strerror or str(error))
