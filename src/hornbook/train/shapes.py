"""What a row of somebody's data is: a conversation, a prompt with its completion, a text, or two answers to compare.

The shapes are those that people publish: `messages` (role, content), ShareGPT's `conversations` (from, value), Alpaca's
instruction, input and output, prompt and completion, text; pairs with an explicit prompt, and pairs of conversations
that begin alike (TRL calls the latter implicit).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

Message = dict[str, str]

_ROLES = {"human": "user", "gpt": "assistant", "chatgpt": "assistant", "bot": "assistant", "model": "assistant"}
_TURNS = ("messages", "conversations", "conversation")
_ASKED, _WITH, _ANSWERED = (
    ("instruction", "question", "query", "prompt"),
    ("input", "context"),
    ("output", "response", "answer", "completion"),
)
_SYSTEM = ("system", "system_prompt")
_TEXTS = ("text", "content")


class UnusableError(Exception):
    """Why nothing can be learnt from a row: one of few reasons, to be counted."""


class Completion(NamedTuple):
    """A text to go on from, and how it goes on."""

    prompt: str
    answer: str


class Reply(NamedTuple):
    """A conversation up to the user's last turn, and the answer to it, which alone is learnt."""

    messages: list[Message]
    answer: str


Row = Sequence[Message] | Reply | Completion | str
"""A conversation, a reply, a completion, or a text."""


def to_learn(row: Mapping[str, Any]) -> tuple[str, Row]:
    """The name of a row's shape, and what is learnt from it. Raises UnusableError where it has none that is known."""
    for name in _TURNS:
        turns = _list(row.get(name))
        if turns is not None:
            return _called(turns), _with_system(_messages(turns), row)
    prompt, completion = _said(row.get("prompt")), _said(row.get("completion"))
    if completion not in (None, ""):
        if _list(prompt) is not None and _list(completion) is not None:
            *asked, last = _with_system(_messages([*(_list(prompt) or ()), *(_list(completion) or ())]), row)
            alone = len(_list(completion) or ()) == 1 and last["role"] == "assistant" and asked
            return "prompts with completions", Reply(asked, last["content"]) if alone else [*asked, last]
        if isinstance(prompt, str) and isinstance(completion, str) and not _system(row):
            return "prompts with completions", Completion(prompt, completion)
    question, answered = _first(row, _ASKED), _first(row, _ANSWERED)
    if question and answered:
        given = _first(row, _WITH)
        question = f"{question}\n\n{given}" if given else question
        talk = [{"role": "user", "content": question}, {"role": "assistant", "content": answered}]
        return "instructions with answers", _with_system(talk, row)
    text = _first(row, _TEXTS)
    if text:
        return "texts", text
    if any(isinstance(row.get(name), str) for name in _TEXTS):
        raise UnusableError("an empty text")
    if "chosen" in row and "rejected" in row:
        raise UnusableError("it is a pair of answers; `hornbook dpo` learns from those")
    if question and any(name in row for name in _ANSWERED):
        raise UnusableError("a question without a text for an answer")
    raise UnusableError(f"neither a conversation nor a text: it has {_names(row)}")


def to_prefer(row: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The name of a pair's shape, and the pair: `messages` or `prompt`, and the texts `chosen` and `rejected`.

    Raises UnusableError for what is no pair of two answers to one prompt.
    """
    chosen, rejected = _said(row.get("chosen")), _said(row.get("rejected"))
    if chosen in (None, "", []) or rejected in (None, "", []):
        if "label" in row and ("completion" in row or "response" in row):
            raise UnusableError("an answer with a label is no pair; DPO compares two answers to one prompt")
        raise UnusableError(f"no two answers: it has {_names(row)}, a pair has chosen and rejected")
    if chosen == rejected:
        raise UnusableError("both answers are the same")
    turns = [_list(chosen), _list(rejected)]
    if turns[0] is None or turns[1] is None:
        if not isinstance(chosen, str) or not isinstance(rejected, str):
            raise UnusableError("the answers are neither both texts nor both messages")
        return _explicit(row, chosen, rejected)
    system, before = _parted(_asked(row))
    liked, disliked = (_parted(_messages(one)) for one in turns if one is not None)
    if liked[1][: len(before)] == before:  # whole conversations
        before = []
    system = system or _system(row)
    return _implicit(*([*(own or system), *before, *said] for own, said in (liked, disliked)))


def _explicit(row: Mapping[str, Any], chosen: str, rejected: str) -> tuple[str, dict[str, Any]]:
    answers = {"chosen": chosen, "rejected": rejected}
    before = _asked(row)
    if before:
        return "pairs", {"messages": before} | answers
    prompt = _said(row.get("prompt"))
    if isinstance(prompt, str) and prompt and not _system(row):
        return "pairs that complete a text", {"prompt": prompt} | answers
    question = _first(row, _ASKED)
    if question:
        return "pairs", {"messages": _with_system([{"role": "user", "content": question}], row)} | answers
    raise UnusableError("two answers and no prompt")


def _asked(row: Mapping[str, Any]) -> list[Message]:
    """The messages of a prompt that is a conversation."""
    turns = _list(row.get("messages")) or _list(row.get("prompt"))
    return _with_system(_messages(turns), row) if turns else []


def _implicit(chosen: list[Message], rejected: list[Message]) -> tuple[str, dict[str, Any]]:
    """Two conversations that begin alike and end with one answer each."""
    shared = next((at for at, pair in enumerate(zip(chosen, rejected, strict=False)) if pair[0] != pair[1]), -1)
    if shared < 0:
        raise UnusableError("one answer is the beginning of the other conversation")
    if shared == 0:
        raise UnusableError("the two conversations share no prompt")
    ends = (chosen[shared:], rejected[shared:])
    if any(len(end) != 1 or end[0]["role"] != "assistant" for end in ends):
        raise UnusableError("the two conversations differ in more than their last answer")
    answers = {"chosen": ends[0][0]["content"], "rejected": ends[1][0]["content"]}
    return "pairs of conversations", {"messages": chosen[:shared]} | answers


def _messages(turns: Sequence[Any]) -> list[Message]:
    """Turns as messages with `role` and `content`."""
    made = []
    for turn in turns:
        if not isinstance(turn, Mapping):
            raise UnusableError("a turn that is no message")
        role, content = turn.get("role", turn.get("from")), turn.get("content", turn.get("value"))
        if not isinstance(role, str) or not role:
            raise UnusableError("a message of nobody: it has neither role nor from")
        made.append({"role": _ROLES.get(role, role), "content": _text(content)})
    if not made:
        raise UnusableError("a conversation without messages")
    return made


def _text(content: Any) -> str:
    """What a message says: a text, or parts that are texts."""
    content = _said(content)
    if isinstance(content, str):
        return content
    if isinstance(content, Sequence) and all(
        isinstance(part, Mapping) and part.get("type") == "text" for part in content
    ):
        return "".join(str(part.get("text") or "") for part in content)
    raise UnusableError("a message without text" if content is None else "a message that is more than text")


def _with_system(messages: list[Message], row: Mapping[str, Any]) -> list[Message]:
    own, said = _parted(messages)
    return [*(own or _system(row)), *said]


def _system(row: Mapping[str, Any]) -> list[Message]:
    """What a column tells the assistant first, as a message; nothing where there is none."""
    told = _first(row, _SYSTEM)
    return [{"role": "system", "content": told}] if told else []


def _parted(messages: list[Message]) -> tuple[list[Message], list[Message]]:
    """A conversation's system message, if it has one, and all else."""
    at = int(bool(messages) and messages[0]["role"] == "system")
    return messages[:at], messages[at:]


def _called(turns: Sequence[Any]) -> str:
    first = turns[0] if turns else None
    return "ShareGPT conversations" if isinstance(first, Mapping) and "from" in first else "conversations (messages)"


def _list(value: Any) -> list[Any] | None:
    """A list, also one that is spelled as JSON, as tables hold it."""
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.lstrip().startswith("[") else None
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, list) and all(isinstance(one, dict) for one in value) else None
    return value if isinstance(value, list) else None


def _first(row: Mapping[str, Any], names: Sequence[str]) -> str:
    """The first of the columns that holds a text."""
    texts = (_said(row.get(name)) for name in names)
    return next((text for text in texts if isinstance(text, str) and text.strip()), "")


def _said(value: Any) -> Any:
    """A number as the text that CSV would have in its place; what is missing in a table (NaN) as nothing."""
    if isinstance(value, float):
        return str(value) if math.isfinite(value) else None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _names(row: Mapping[str, Any]) -> str:
    there = [str(name) for name in row]
    return ", ".join(there[:6]) + (", ..." if len(there) > 6 else "") if there else "no columns"
