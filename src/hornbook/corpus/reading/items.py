"""What reading a file gives: documents, and reasons why something is none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hornbook.corpus.pieces import Kind

EXCERPT = 2_000  # so much of what can't be used is kept for a person to look at


@dataclass(frozen=True)
class Raw:
    """A document as it was found: its path within the source, and its text in blocks."""

    path: str
    blocks: Iterable[str]
    kind: Kind = "prose"


@dataclass(frozen=True)
class Bad:
    """Something that gave no document: where, why (one of few reasons, to be counted), and what a person can see."""

    path: str
    reason: str
    detail: str = ""
    text: str = ""


def readable(excerpt: bytes) -> str:
    """Bytes that may be anything, as text that a person can look at."""
    return excerpt.decode("utf-8", "backslashreplace").replace("\0", "\\x00")


def checked(text: object, path: str) -> Raw | Bad:
    """A record's text as a document, if it is one."""
    if not isinstance(text, str):
        return Bad(path, "no text", f"{type(text).__name__} where text should be")
    if not text:
        return Bad(path, "empty")
    if not text.strip():
        return Bad(path, "only whitespace")
    if "\0" in text:
        return Bad(path, "NUL bytes", f"at character {text.index(chr(0))}", text[:EXCERPT].replace("\0", "\\x00"))
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        excerpt = text[:EXCERPT].encode("utf-8", "backslashreplace").decode("utf-8")
        return Bad(path, "invalid Unicode", f"half of a surrogate pair at character {error.start}", excerpt)
    return Raw(path, (text,))


def of_object(value: object, path: str, column: str | None, excerpt: str) -> Raw | Bad:
    """A JSON object's text as a document; `excerpt` is what a person may see of it."""
    if not isinstance(value, dict):
        return Bad(path, "broken JSON", "not an object", excerpt)
    name = text_column(column, value)
    if name is None:
        return Bad(path, "no text", f"no column {column or 'text or content'}", excerpt)
    return checked(value[name], path)


def text_column(wanted: str | None, names: Iterable[str]) -> str | None:
    """The column that holds the text: the one asked for, else `text`, else `content`."""
    candidates = [wanted] if wanted else ["text", "content"]
    present = set(names)
    return next((name for name in candidates if name in present), None)
