"""Web pages: their main text, without menus, advertisements and comments."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cache
from typing import Any

from hornbook.corpus.read.charset import decode
from hornbook.corpus.read.compression import CompressionError, opened
from hornbook.corpus.read.kinds import Found
from hornbook.corpus.read.raw import Bad, Raw, checked
from hornbook.corpus.read.settings import Extractor, ReadSettings, Source
from hornbook.records import EXCERPT

NESTED = "nested too deep: what follows is missing"

_ATTRIBUTES = 1_000
# HTML's syntax of a tag. Nothing is looked at twice: a quote without an end is one attribute without a value.
_ATTRIBUTE_PATTERN = r"""[\s/]*+[^\s/>][^\s/>=]*+(?:\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s>"'][^\s>]*+))?+"""
_BEGINS = re.compile(r"<[a-zA-Z]")
_ATTRIBUTE = re.compile(_ATTRIBUTE_PATTERN)
_TAG = re.compile(rf"<[a-zA-Z][^\s/>]*+(?:{_ATTRIBUTE_PATTERN})*+")


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
        yield document(decode(page, None), found.path, settings)


def document(page: str, path: str, settings: ReadSettings, flaw: str = "") -> Raw | Bad:
    """A page's main text as a document, if it has any; `flaw` is what the page itself lacks."""
    if page.count("<") > settings.maximum_elements and len(_BEGINS.findall(page)) > settings.maximum_elements:
        told = f"over {settings.maximum_elements:,}"
        return Bad(path, "too many elements", told, page[:EXCERPT].replace("\0", ""))
    if _crowded(page):
        return Bad(path, "too many attributes", f"over {_ATTRIBUTES:,} in one tag", page[:EXCERPT].replace("\0", ""))
    extractor = settings.main_text
    try:
        text, cut = main_text(page, extractor)
    except _AbsentError as absent:
        return Bad(path, f"web pages need {extractor}", str(absent))
    except Exception as error:  # whatever a page does to a library of parsers
        return Bad(path, "no main text", f"{type(error).__name__} in {extractor}", page[:EXCERPT].replace("\0", ""))
    if not text.strip():
        return Bad(path, "no main text", text=page[:EXCERPT].replace("\0", ""))
    found = checked(text, path)
    flaw = flaw or (NESTED if cut else "")
    return replace(found, flaw=flaw) if isinstance(found, Raw) else found


def main_text(page: str, extractor: Extractor = "trafilatura") -> tuple[str, bool]:
    """What a person would read of a page, and whether the parser gave up before the page's end. Empty where there is
    nothing, or what should be a page is none.
    """
    return _extractor(extractor)(page)


class _AbsentError(Exception):
    """A library is not installed: what to do."""


@cache
def _extractor(name: Extractor) -> Callable[[str], tuple[str, bool]]:
    try:
        if name == "resiliparse":
            resiliparse = importlib.import_module("resiliparse.extract.html2text")
            return lambda page: (
                str(resiliparse.extract_plain_text(page, main_content=True, alt_texts=False, links=False)),
                False,
            )
        trafilatura = importlib.import_module("trafilatura")
    except ImportError as error:
        raise _AbsentError(f"pip install {name}: {error}") from None

    def extract(page: Any) -> str:
        return trafilatura.extract(page, fast=True, include_comments=False) or ""

    def whole(page: str) -> tuple[str, bool]:
        tree, cut = _deep(page)
        if tree is not None:
            with suppress(RecursionError):
                return extract(tree), cut
        return extract(page), tree is not None

    return whole


def _deep(page: str) -> tuple[Any, bool]:
    """The tree of a page that is nested deeper than libxml2 goes unless it is asked to, None for any other; and whether
    it is deeper than libxml2 ever goes, which drops all that follows without a word.
    """
    etree = importlib.import_module("lxml.etree")
    lxml_html = importlib.import_module("lxml.html")
    data = page.encode("utf-8", "replace")
    tree = None
    for huge in (False, True):
        # trafilatura's own options, so that a deep page is read as any other
        parser = lxml_html.HTMLParser(
            collect_ids=False,
            default_doctype=False,
            encoding="utf-8",
            remove_comments=True,
            remove_pis=True,
            huge_tree=huge,
        )
        try:
            tree = lxml_html.document_fromstring(data, parser=parser)
        except (etree.ParserError, etree.XMLSyntaxError):  # nothing there
            return None, False
        if not any(error.type == etree.ErrorTypes.ERR_RESOURCE_LIMIT for error in parser.error_log):
            return (tree if huge else None), False
    return tree, True


def _crowded(page: str) -> bool:
    """Whether a tag has so many attributes that libxml2, which looks through all before each, would take minutes."""
    if len(page) < 4 * _ATTRIBUTES:
        return False
    return any(
        tag.end() - tag.start() >= 2 * _ATTRIBUTES and sum(1 for _ in _ATTRIBUTE.finditer(tag[0])) > _ATTRIBUTES
        for tag in _TAG.finditer(page)
    )
