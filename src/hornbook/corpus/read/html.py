"""Web pages: their main text, without menus, advertisements and comments."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from functools import cache

from hornbook.corpus.read.charset import decode
from hornbook.corpus.read.compression import CompressionError, opened
from hornbook.corpus.read.raw import Bad, Raw, checked
from hornbook.corpus.read.settings import Extractor, ReadSettings, Source
from hornbook.corpus.read.sources import Found
from hornbook.errors import UserError
from hornbook.records import EXCERPT


def html(found: Found, source: Source, settings: ReadSettings) -> Iterator[Raw | Bad]:
    """The main text of a page that lies in a file of its own."""
    try:
        with opened(found) as stream:
            page = stream.read(settings.maximum_line + 1)
    except CompressionError as error:
        yield Bad(found.path, error.reason, error.detail)
        return
    if len(page) > settings.maximum_line:
        yield Bad(found.path, "too long", f"more than {settings.maximum_line:,} bytes")
    elif not page.strip():
        yield Bad(found.path, "only whitespace" if page else "empty")
    else:
        yield document(decode(page, None), found.path, settings.main_text)


def document(page: str, path: str, extractor: Extractor) -> Raw | Bad:
    """A page's main text as a document, if it has any."""
    text = main_text(page, extractor)
    return checked(text, path) if text.strip() else Bad(path, "no main text", text=page[:EXCERPT].replace("\0", ""))


def main_text(page: str, extractor: Extractor = "trafilatura") -> str:
    """What a person would read of a page. Empty where there is nothing, or what should be a page is none."""
    return _extractor(extractor)(page)


@cache
def _extractor(name: Extractor) -> Callable[[str], str]:
    """Raises UserError when the library is not installed."""
    try:
        if name == "resiliparse":
            resiliparse = importlib.import_module("resiliparse.extract.html2text")
            return lambda page: str(
                resiliparse.extract_plain_text(page, main_content=True, alt_texts=False, links=False)
            )
        trafilatura = importlib.import_module("trafilatura")
    except ImportError as error:
        raise UserError(f"web pages need {name}: pip install 'hornbook[web]' ({error})") from None
    return lambda page: trafilatura.extract(page, fast=True, include_comments=False) or ""
