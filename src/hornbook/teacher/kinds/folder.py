"""The files of what was written: a corpus and, for conversations and preferences, what fine-tuning reads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hornbook.documents import CorpusWriter, document_id, document_schema
from hornbook.files import digest_value, write_jsonl
from hornbook.teacher.interface import Chat, Message, Preference
from hornbook.teacher.kinds.draws import Drawn
from hornbook.teacher.kinds.rows import Written
from hornbook.teacher.kinds.template import Kind
from hornbook.teacher.producer import Failed

CONVERSATIONS, PREFERENCES = "conversations.jsonl", "preferences.jsonl"


def checked_row(row: dict[str, Any]) -> dict[str, Any]:
    """The row, if files can hold it. Raises UnicodeEncodeError for half characters, which no file of text can."""
    json.dumps(row, ensure_ascii=False).encode()
    return row


def chat_row(chat: Chat) -> dict[str, Any]:
    """The row of `conversations.jsonl` or `preferences.jsonl`: `messages` or a `prompt`, for a pair both answers."""
    row: dict[str, Any] = {"messages": _plain(chat.messages)} if chat.messages else {"prompt": chat.prompt}
    if isinstance(chat, Preference):
        row |= {"chosen": chat.chosen, "rejected": chat.rejected}
    elif not chat.messages:
        row |= {"completion": chat.completion}
    row |= {"kind": chat.kind}
    made_of = {"compositions": list(chat.compositions)} if chat.compositions else {}
    return {"id": digest_value(row)[:32], **row, **made_of}


class Folder:
    """A `Sink` for rows of a template.

    Writes `documents/` with the columns kind, teacher, seeds (JSON of what was drawn), messages (JSON), chosen and
    rejected; `removed/`; and for chats `conversations.jsonl` or `preferences.jsonl`. Use it in a `with` block.
    """

    def __init__(self, into: Path, kind: Kind, *, source: str, teacher: str) -> None:
        self.texts: list[str] = []
        self.drawn: list[Drawn] = []
        self._into, self._kind, self._source, self._teacher = into, kind, source, teacher
        schema = document_schema("kind", "teacher", "seeds", "messages", "chosen", "rejected")
        self._corpus = CorpusWriter(into, schema)
        self._chats: list[dict[str, Any]] = []

    def identity(self, row: Written) -> str:
        """See `Sink.identity`: the id of its document."""
        return document_id(row.text)

    def keep(self, row: Written) -> str:
        """See `Sink.keep`."""
        document = self._document(row.drawn.number, row.text)
        seeds = json.dumps(row.drawn.record(), ensure_ascii=False, sort_keys=True)
        document |= {"kind": row.label, "teacher": self._teacher, "seeds": seeds}
        if row.chat is not None:
            document["messages"] = json.dumps(_plain(row.messages), ensure_ascii=False)
        if row.rejected:
            document |= {"chosen": row.chosen, "rejected": row.rejected}
        chat = chat_row(row.chat) if row.chat is not None else None
        self._corpus.keep(checked_row(document))
        if chat is not None:
            self._chats.append(chat)
        self.texts.append(row.text)
        self.drawn.append(row.drawn)
        return document["id"]

    def drop(self, row: Written | Failed, reason: str, kept: str) -> None:
        """See `Sink.drop`."""
        number, text = (row.number, "") if isinstance(row, Failed) else (row.drawn.number, row.text)
        self._corpus.drop(checked_row(self._document(number, text)), reason, kept)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._corpus.__exit__(kind, error, trace)
        form = self._kind.template.text.form
        if kind is None and form != "document":
            write_jsonl(self._into / (CONVERSATIONS if form == "conversation" else PREFERENCES), self._chats)

    def _document(self, number: int, text: str) -> dict[str, str]:
        return {
            "id": document_id(text),
            "text": text,
            "source": self._source,
            "path": f"{self._kind.name}/{number}",
        }


def _plain(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]
