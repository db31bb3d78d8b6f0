"""From an answer to a row: the document, conversation or preference that the template's layout makes of it."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from hornbook.seeds import stream
from hornbook.teacher.client.messages import Answer, Request
from hornbook.teacher.interface import Chat, Conversation, Message, Preference
from hornbook.teacher.kinds.draws import Drawn
from hornbook.teacher.kinds.fill import fill
from hornbook.teacher.kinds.template import Kind

SEEDS = 1 << 31  # what endpoints take for a seed
NAMES = {"system": "System", "user": "User", "assistant": "Assistant"}


class Asker(Protocol):
    """Gets requests answered, in order, each once: see `hornbook.teacher.client.client.Client`."""

    @property
    def name(self) -> str:
        """Who answers."""

    def ask(
        self, requests: Iterable[Request], *, ordered: bool = True, total: int | None = None, label: str = ""
    ) -> Generator[Answer, None, None]:
        """One answer for each request."""


def request_for(kind: Kind, values: Mapping[str, str], seed: int, about: Any = None) -> Request:
    """The request that a template comes to with these values."""
    template = kind.template
    system = fill(template.system, values)
    messages = [Message("system", system)] if system else []
    return Request(
        (*messages, Message("user", fill(template.prompt, values))),
        schema=template.answer_schema(),
        temperature=template.temperature,
        top_p=template.top_p,
        max_tokens=template.max_tokens,
        seed=seed % SEEDS,
        about=about,
    )


@dataclass(frozen=True)
class Written:
    """A row before it is checked. `fields` is the answer as it came; `text` is what a document holds."""

    drawn: Drawn
    fields: Mapping[str, Any]
    text: str
    label: str
    messages: tuple[Message, ...] = ()
    chosen: str = ""
    rejected: str = ""
    form: Literal["document", "conversation", "preference", ""] = "document"

    @property
    def chat(self) -> Chat | None:
        """The conversation or the preference that the row is; None for a document."""
        if self.form == "conversation":
            return Conversation(self.messages, self.label)
        if self.form == "preference":
            return Preference(self.chosen, self.rejected, self.label, messages=self.messages)
        return None


def written(kind: Kind, drawn: Drawn, value: Any, seed: int) -> Written:
    """Lay an answer out. `value` is the object of a template with fields, or the text of a plain one."""
    layout = kind.template.text
    plain = kind.template.plain
    fields: Mapping[str, Any] = {plain: value} if plain else value
    everything = {**drawn.values, **{name: _in_words(part) for name, part in fields.items()}}
    label = fill(layout.label, everything) if layout.label else kind.name
    if layout.form == "document":
        random = stream(seed, kind.name, "shown", drawn.number)
        hidden = {name for name, chance in sorted(layout.chance.items()) if random.random() >= chance}
        shown = {name: "" if name in hidden else text for name, text in everything.items()}
        return Written(drawn, fields, fill(layout.document, shown).strip(), label)
    if layout.turns:
        turns = fields[layout.turns]
        messages = [Message(role, turn[role].strip()) for turn in turns for role in ("user", "assistant")]
    else:
        messages = [Message("user", fill(layout.user, everything).strip())]
        if layout.form == "conversation":
            messages.append(Message("assistant", fill(layout.assistant, everything).strip()))
    chosen, rejected = (fill(part, everything).strip() for part in (layout.chosen, layout.rejected))
    text = spoken([*messages, *([Message("assistant", chosen)] if chosen else [])])
    return Written(drawn, fields, text, label, tuple(messages), chosen, rejected, layout.form)


def spoken(messages: Sequence[Message]) -> str:
    """A conversation as plain text."""
    return "\n\n".join(f"{NAMES[message.role]}: {message.content}" for message in messages)


def _in_words(value: Any) -> str:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return "\n".join(value)
    return json.dumps(value, ensure_ascii=False)
