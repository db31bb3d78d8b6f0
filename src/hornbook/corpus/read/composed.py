"""Documents put together of parts: notebooks of cells, PDF of pages."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from io import BytesIO
from typing import Any

from hornbook.corpus.read.compression import CompressionError, opened
from hornbook.corpus.read.kinds import Found
from hornbook.corpus.read.raw import Bad, Raw, checked
from hornbook.corpus.read.settings import ReadSettings, Source
from hornbook.records import Fault, parse

_LARGEST_PDF = 1 << 28  # bytes: a PDF is read from its end, and pictures take most of it


def notebook(found: Found, source: Source, settings: ReadSettings) -> Iterator[Raw | Bad]:
    """A Jupyter notebook as Markdown: its texts, and its code between fences, without what that had answered."""
    content = _whole(found, settings.maximum_line)
    if isinstance(content, Bad):
        yield content
        return
    read = parse(content)
    if isinstance(read, Fault):
        yield Bad(found.path, read.reason, read.detail, read.text)
    else:
        text = _cells(read.value)
        broken = Bad(found.path, "broken notebook", "no cells", read.excerpt)
        yield broken if text is None else checked(text, found.path)


def _cells(value: Any) -> str | None:
    """The cells of a notebook of format 4, or of 3 and before, which has them in worksheets."""
    if not isinstance(value, dict):
        return None
    sheets = value.get("worksheets")
    held = [one.get("cells") for one in (sheets if isinstance(sheets, list) else [value]) if isinstance(one, dict)]
    lists = [some for some in held if isinstance(some, list)]
    if not lists:
        return None
    metadata = value.get("metadata")
    about = metadata.get("language_info") if isinstance(metadata, dict) else None
    name = about.get("name") if isinstance(about, dict) else None
    language = name if isinstance(name, str) and name else "python"
    parts = []
    for cell in (cell for cells in lists for cell in cells if isinstance(cell, dict)):
        lines = cell.get("source", cell.get("input"))
        text = "".join(line for line in (lines if isinstance(lines, list) else [lines]) if isinstance(line, str))
        if not text.strip():
            continue
        code = cell.get("cell_type") == "code"
        parts.append(f"```{language}\n{text.rstrip()}\n```" if code else text.strip("\n"))
    return "\n\n".join(parts)


def pdf(found: Found, source: Source, settings: ReadSettings) -> Iterator[Raw | Bad]:
    """The text of a PDF's pages, as far as it has any: scanned pages are pictures."""
    try:
        pypdf = importlib.import_module("pypdf")
    except ImportError:
        yield Bad(found.path, "PDF needs pypdf", "pip install pypdf")
        return
    content = _whole(found, _LARGEST_PDF)
    if isinstance(content, Bad):
        yield content
        return
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it tells of every fault that it mends
    try:
        reader = pypdf.PdfReader(BytesIO(content))
        pages, size = [], 0
        for page in reader.pages:
            pages.append(page.extract_text().strip())
            size += len(pages[-1])
            if size > settings.maximum_line:
                yield Bad(found.path, "too long", f"more than {settings.maximum_line:,} characters")
                return
    except Exception as error:  # a parser of a format with many ways to be broken
        why = str(error).strip().split("\n", 1)[0] or type(error).__name__
        yield Bad(found.path, "encrypted" if "encrypted" in why else "corrupt PDF", why)
        return
    text = "\n\n".join(page for page in pages if page)
    text = text.replace("\0", "").encode("utf-8", "replace").decode()
    yield checked(text, found.path) if text else Bad(found.path, "no text", "its pages are pictures, or none")


def _whole(found: Found, maximum: int) -> bytes | Bad:
    """A file's content, if it has at most `maximum` bytes and is not empty."""
    try:
        with opened(found) as stream:
            content = stream.read(maximum + 1)
    except CompressionError as error:
        return Bad(found.path, error.reason, error.detail)
    if len(content) > maximum:
        return Bad(found.path, "too long", f"more than {maximum:,} bytes")
    return content if content.strip() else Bad(found.path, "only whitespace" if content else "empty")
