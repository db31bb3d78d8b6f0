"""What reading a file gives: documents, and reasons why something is none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hornbook.corpus.read.chunking import Kind
from hornbook.corpus.read.columns import Value, kept_columns
from hornbook.corpus.read.settings import Source
from hornbook.records import readable

TEXT = "text, content or messages"  # as a person reads it; the columns that hold the text
_TEXTS = ("text", "content", "messages", "conversations")
_ROLES = {"human": "User", "gpt": "Assistant"}


@dataclass(frozen=True)
class Raw:
    """A document as it was found: its path within the source, and its text in blocks. `flaw` says what of it is
    missing, in one of few ways, to be counted; `columns` are what else is known of it.
    """

    path: str
    blocks: Iterable[str]
    kind: Kind = "prose"
    flaw: str = ""
    columns: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Bad:
    """Something that gave no document: where, why (one of few reasons, to be counted), and what a person can see."""

    path: str
    reason: str
    detail: str = ""
    text: str = ""


def checked(text: object, path: str, columns: Mapping[str, Value] | None = None) -> Raw | Bad:
    """A record's text as a document, if it is one; a conversation becomes a text."""
    if isinstance(text, list):
        text = _conversation(text)
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
    return Raw(path, (text,), columns=columns or {})


def record(value: Mapping[str, Any], path: str, source: Source, excerpt: str = "") -> Raw | Bad:
    """A record as a document: the column that holds the text, and all others beside it."""
    name = text_column(source.column, value)
    if name is None:
        return Bad(path, "no text", f"no column {source.column or TEXT}", excerpt)
    return checked(value[name], path, kept_columns(value, name, source.keep) if len(value) > 1 else None)


def text_column(wanted: str | None, names: Iterable[str]) -> str | None:
    """The column that holds the text: the one asked for, else the first of those that usually do."""
    candidates = [wanted] if wanted else _TEXTS
    present = set(names)
    return next((name for name in candidates if name in present), None)


def _conversation(messages: list[Any]) -> str | list[Any]:
    """Turns with `role` and `content`, or `from` and `value`, as a text that names who speaks."""
    turns = []
    for one in messages:
        if not isinstance(one, dict):
            return messages
        role, content = one.get("role", one.get("from")), one.get("content", one.get("value"))
        if isinstance(content, list):  # parts, of which pictures are some
            content = "\n".join(str(part["text"]) for part in content if isinstance(part, dict) and part.get("text"))
        if not isinstance(role, str) or not isinstance(content, str | None):
            return messages
        if content:
            turns.append(f"{_ROLES.get(role, role.capitalize())}: {content}")
    return "\n\n".join(turns)
