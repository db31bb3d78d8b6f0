"""Conversations as a chat template spells them, in pieces: which are the template's, which are somebody's words."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hornbook.errors import UserError
from hornbook.model.tokenizers.rendering import rendered

Message = Mapping[str, str]

# Marks are made of private-use characters: a number between two of them is a message's text, the other two enclose a
# {% generation %} block. Rendering twice, with and without marks, shows a template or a message that has such
# characters of its own.
_GENERATION = ("\ue002", "\ue003")
_MARK = re.compile("\ue000([0-9]+)\ue001|([\ue002\ue003])")
_GUARDED = re.compile("\ue000([^\ue000\ue001]*)\ue001|([\ue002\ue003])")
_PRIVATE = re.compile("[\ue000-\ue003]")
_HAS_GENERATION = re.compile(r"\{%[-+]?\s*generation\s*[-+]?%\}")
_ROLE = re.compile(r"[\w.-]+")


@dataclass(frozen=True)
class Piece:
    """A stretch of a rendered conversation.

    said: it is a message's text, in which nothing is a control token. written: the assistant writes it; None where
    the template changes messages, so that this cannot be told.
    """

    text: str
    said: bool
    written: bool | None


@dataclass(frozen=True)
class Rendered:
    """A conversation as a template spells it.

    turns: what is written are the assistant's messages, and the token behind each of them ends its turn. Otherwise the
    template's {% generation %} blocks say what is written, to the character.
    """

    pieces: list[Piece]
    turns: bool


def render(
    template: str,
    messages: Sequence[Message],
    variables: Mapping[str, Any],
    where: str,
    control: Mapping[str, int],
) -> Rendered:
    """Render a conversation and cut it where messages begin and end.

    A template may strip messages or leave out empty ones. Where it changes them otherwise, only the control tokens
    that they spell are followed through it. Raises UserError for a template that refuses the conversation or that is
    damaged; `where` names it.
    """
    _check(messages, where)
    plain = rendered(template, messages, variables, where)
    turns = not _HAS_GENERATION.search(template)
    for strip, mark_empty in itertools.product((False, True), (True, False)):
        texts: list[Piece] = []
        marked = [_mark(message, texts, strip, mark_empty) for message in messages]
        pieces = _cut(_rendered_or_none(template, marked, variables, where), _MARK, texts, turns)
        if pieces is not None and "".join(piece.text for piece in pieces) == plain:
            return Rendered(_with_known_roles(pieces, messages, where, control), turns)
    if not any(_PRIVATE.search(value) for message in messages for value in message.values()):
        guarded = [
            {key: value if key == "role" else _guard(value, control) for key, value in message.items()}
            for message in messages
        ]
        pieces = _cut(_rendered_or_none(template, guarded, variables, where), _GUARDED, None, turns)
        if pieces is not None and "".join(piece.text for piece in pieces) == plain:
            return Rendered(_with_known_roles(pieces, messages, where, control), turns)
    raise UserError(f"{where} rewrites the text of messages in a way that hides who wrote what")


def _check(messages: Sequence[Message], where: str) -> None:
    """Refuse what could bring control tokens in beside a message's texts."""
    for message in messages:
        role = message.get("role")
        if not isinstance(role, str) or not _ROLE.fullmatch(role):
            raise UserError(f"{where}: {role!r} is not a role; use system, user or assistant")
        for key, value in message.items():
            if not isinstance(value, str):
                raise UserError(f"{where}: {key!r} of a message from {role!r} is {value!r:.60}; text is needed")


def _with_known_roles(
    pieces: list[Piece], messages: Sequence[Message], where: str, control: Mapping[str, int]
) -> list[Piece]:
    """The pieces, unless the template spells a role's tag that is a control token for other roles, but not for this.

    phi-3's template spells any role so, `<|tool|>` too: text that the model has never seen as the beginning of a turn.
    """
    spells = "".join(piece.text for piece in pieces if not piece.said)
    for role in {message["role"] for message in messages}:
        if "<|user|>" in control and f"<|{role}|>" not in control and f"<|{role}|>" in spells:
            known = ", ".join(name for name in ("system", "user", "assistant") if f"<|{name}|>" in control)
            raise UserError(f"{where}: the tokenizer has no token for the role {role!r}; use one of {known}")
    return pieces


def _mark(message: Message, texts: list[Piece], strip: bool, mark_empty: bool) -> dict[str, str]:
    """A message with a mark for each text of it; to `texts` goes the text, and whether the assistant writes it."""
    marked = dict(message)
    for key, value in message.items():
        if key == "role":
            continue
        text = value.strip() if strip else value
        if text or mark_empty:
            marked[key] = f"\ue000{len(texts)}\ue001"
            texts.append(Piece(text, True, message["role"] == "assistant"))
        else:
            marked[key] = text
    return marked


def _guard(text: str, control: Mapping[str, int]) -> str:
    """A text with marks around every control token in it, and around what would be one with the template's text."""
    text = spelled(control).sub("\ue000\\g<0>\ue001", text)
    body = text.strip()
    parts = [(token[:at], token[at:]) for token in control for at in range(1, len(token))]
    ends = max((len(begin) for begin, _ in parts if body.endswith(begin)), default=0)
    begins = max((len(end) for _, end in parts if body.startswith(end)), default=0)
    start = len(text) - len(text.lstrip())
    stop = start + len(body)
    if begins + ends > len(body):
        return f"{text[:start]}\ue000{body}\ue001{text[stop:]}" if body else text
    inner = text[start + begins : stop - ends]
    first = f"\ue000{body[:begins]}\ue001" if begins else ""
    last = f"\ue000{body[len(body) - ends :]}\ue001" if ends else ""
    return text[:start] + first + inner + last + text[stop:]


def _rendered_or_none(
    template: str, messages: Sequence[Message], variables: Mapping[str, Any], where: str
) -> str | None:
    """A conversation with marks in it; None where the template does not take to marks."""
    try:
        return rendered(template, messages, variables, where, _GENERATION)
    except UserError:
        return None


def _cut(text: str | None, mark: re.Pattern[str], texts: Sequence[Piece] | None, turns: bool) -> list[Piece] | None:
    """Cut a rendered conversation at its marks; None when a mark is not one of ours.

    texts: what numbers stand for; None where the text itself is between the marks, and nobody knows who wrote what.
    """
    if text is None:
        return None
    inside = False
    pieces: list[Piece] = []

    def template_text(part: str) -> Piece:
        return Piece(part, False, inside if not turns else False if texts is not None else None)

    at = 0
    for match in mark.finditer(text):
        pieces.append(template_text(text[at : match.start()]))
        at = match.end()
        if match[2]:
            inside = match[2] == _GENERATION[0]
        elif texts is None:
            pieces.append(Piece(match[1], True, None if turns else inside))
        elif int(match[1]) < len(texts):
            found = texts[int(match[1])]
            pieces.append(found if turns else Piece(found.text, True, inside))
        else:
            return None
    return [*pieces, template_text(text[at:])]


def spelled(control: Mapping[str, int]) -> re.Pattern[str]:
    """Any control token, the longest first; a pattern that never matches where there are none."""
    return re.compile("|".join(map(re.escape, sorted(control, key=len, reverse=True))) or "(?!)")
