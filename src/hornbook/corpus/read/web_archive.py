"""Documents of a web archive: the pages that were answered, and the texts of WET files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from hornbook.corpus.read.charset import decode
from hornbook.corpus.read.html import document
from hornbook.corpus.read.http import parse
from hornbook.corpus.read.kinds import Found
from hornbook.corpus.read.raw import Bad, Raw, checked
from hornbook.corpus.read.settings import ReadSettings, Source
from hornbook.corpus.read.warc import Damage, Oversize, Record, records

_PAGES = ("text/html", "application/xhtml+xml")
_TEXTS = ("text/plain", "text/markdown")
_CHARSET = re.compile(r"charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
CUT = "cut off: its end is missing"

_OK = 200
_ABOUT_THE_CRAWL = "metadata:"  # wget keeps its own log and its command line as resources under this scheme
_MARKUP = re.compile(rb"<\s*(?:!doctype\s+html|html|head|body|div|p|h1|table)\b", re.IGNORECASE)
_SNIFF = 1_024


@dataclass(frozen=True)
class _Page:
    """A page or a text as it was stored. `kind` is its media type."""

    kind: str
    charset: str | None
    content: bytes
    too_long: bool = False
    flaw: str = ""


def archive(found: Found, source: Source, settings: ReadSettings) -> Iterator[Raw | Bad]:
    """The documents of an archive; `path` ends in the record's number, from 1, and its address.

    Requests, metadata, redirections, errors, images and such are no documents and are passed over. However much of an
    archive is damaged, that is one Bad, after its good records.
    """
    number = 0
    damages: list[str] = []
    for item in records(found, settings.maximum_line):
        if isinstance(item, Damage):
            damages.append(item.detail)
            continue
        number = item.number
        path = f"{found.path}:{number}"
        if address := item.headers.get("warc-target-uri", "").strip("<>"):
            path = f"{path} {address}"
        if isinstance(item, Oversize):
            yield Bad(path, "too long", f"more than {settings.maximum_line:,} bytes")
            continue
        page = _page(item, settings.maximum_line)
        if page is not None:
            yield _document(page, path, settings)
    if damages:
        more = f", {len(damages)} damaged places in all" if len(damages) > 1 else ""
        yield Bad(found.path, "damaged archive", f"{damages[0]}{more}")
    elif number == 0:
        yield Bad(found.path, "empty")


def _page(record: Record, maximum: int) -> _Page | None:
    """The page or text that a record holds, if it holds one."""
    if record.headers.get("warc-target-uri", "").strip("<>").lower().startswith(_ABOUT_THE_CRAWL):
        return None
    kind = record.headers.get("warc-type", "").lower()
    content_type = record.headers.get("content-type", "")
    content, too_long, cut = record.body, False, "warc-truncated" in record.headers
    if kind == "response" and not content_type.lower().startswith(("text/", "application/xhtml")):
        response = parse(record.body, maximum)
        if response is None or response.status != _OK:
            return None
        content_type, content = response.headers.get("content-type", ""), response.body
        too_long, cut = response.too_long, cut or response.cut
    elif kind not in ("response", "resource", "conversion"):
        return None
    media = content_type.partition(";")[0].strip().lower()
    if not media and _MARKUP.search(content, 0, _SNIFF):
        media = _PAGES[0]
    if media not in (*_PAGES, *_TEXTS):
        return None
    charset = _CHARSET.search(content_type)
    return _Page(media, charset.group(1) if charset else None, content, too_long, CUT if cut else "")


def _document(page: _Page, path: str, settings: ReadSettings) -> Raw | Bad:
    if page.too_long:
        return Bad(path, "too long", f"unpacks to more than {settings.maximum_line:,} bytes")
    text = decode(page.content, page.charset)
    if page.kind in _PAGES:
        return document(text, path, settings, page.flaw)
    found = checked(text.replace("\r\n", "\n").replace("\r", "\n"), path)
    return replace(found, flaw=page.flaw) if isinstance(found, Raw) else found
