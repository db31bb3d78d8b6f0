"""The files of what was written: a corpus, and for talks what fine-tuning reads."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hornbook.documents import document_id
from hornbook.files import digest_value, write_jsonl
from hornbook.teacher import shards
from hornbook.teacher.interface import Message
from hornbook.teacher.kinds.answers import Written
from hornbook.teacher.kinds.template import Kind

CONVERSATIONS, PREFERENCES = "conversations.jsonl", "preferences.jsonl"


class Documents(shards.Documents):
    """What was kept. `seeds` is what was drawn, `messages` a conversation; both are JSON."""

    more = ("kind", "teacher", "seeds", "messages", "chosen", "rejected")


class Folder:
    """Writes `documents/`, `removed/` and, for talks, `conversations.jsonl` or `preferences.jsonl`."""

    def __init__(self, into: Path, kind: Kind, *, source: str, teacher: str) -> None:
        self._into, self._kind, self._source, self._teacher = into, kind, source, teacher
        self._documents, self._removed = Documents(into / "documents"), shards.Removed(into / "removed")
        self._talks: list[dict[str, Any]] = []

    def keep(self, row: Written) -> None:
        """Add a row that passed."""
        talk = {"messages": json.dumps(_plain(row.messages), ensure_ascii=False)} if row.messages else {}
        pair = {"chosen": row.chosen, "rejected": row.rejected} if row.rejected else {}
        seeds = json.dumps(row.drawn.record(), ensure_ascii=False, sort_keys=True)
        self._documents.add(
            {**self._base(row.drawn.number, row.text), "kind": row.label, "teacher": self._teacher, "seeds": seeds}
            | talk
            | pair
        )
        if row.messages:
            spoken = {"messages": _plain(row.messages), **pair, "kind": row.label}
            self._talks.append({"id": digest_value(spoken)[:32], **spoken})

    def drop(self, number: int, text: str, reason: str, kept: str = "") -> None:
        """Add a row that did not pass; `kept` is the id of the document that it repeats."""
        self._removed.add({**self._base(number, text), "reason": reason, "kept": kept})

    def __enter__(self) -> Self:
        self._documents.__enter__()
        self._removed.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._documents.__exit__(kind, error, trace)
        self._removed.__exit__(kind, error, trace)
        form = self._kind.template.text.form
        if kind is None and form != "document":
            write_jsonl(self._into / (CONVERSATIONS if form == "conversation" else PREFERENCES), self._talks)

    def _base(self, number: int, text: str) -> dict[str, str]:
        return {
            "id": document_id(text),
            "text": text,
            "source": self._source,
            "path": f"{self._kind.name}/{number}",
        }


def _plain(messages: tuple[Message, ...]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]
