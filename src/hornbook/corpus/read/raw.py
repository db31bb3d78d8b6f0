"""What reading a file gives: documents, and reasons why something is none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hornbook.corpus.read.chunking import Kind
from hornbook.records import readable


@dataclass(frozen=True)
class Raw:
    """A document as it was found: its path within the source, and its text in blocks. `flaw` says what of it is
    missing, in one of few ways, to be counted.
    """

    path: str
    blocks: Iterable[str]
    kind: Kind = "prose"
    flaw: str = ""


@dataclass(frozen=True)
class Bad:
    """Something that gave no document: where, why (one of few reasons, to be counted), and what a person can see."""

    path: str
    reason: str
    detail: str = ""
    text: str = ""


def checked(text: object, path: str) -> Raw | Bad:
    """A record's text as a document, if it is one."""
    if not isinstance(text, str):
        return Bad(path, "no text", f"{type(text).__name__} where text should be")
    if not text:
        return Bad(path, "empty")
    if not text.strip():
        return Bad(path, "only whitespace")
    if "\0" in text:
        return Bad(path, "NUL bytes", f"at character {text.index(chr(0))}", readable(text))
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        return Bad(path, "invalid Unicode", f"half of a surrogate pair at character {error.start}", readable(text))
    return Raw(path, (text,))


def text_column(wanted: str | None, names: Iterable[str]) -> str | None:
    """The column that holds the text: the one asked for, else `text`, else `content`."""
    candidates = [wanted] if wanted else ["text", "content"]
    present = set(names)
    return next((name for name in candidates if name in present), None)
