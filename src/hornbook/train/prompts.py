"""Prompts that a training keeps of its rows, for the model to be asked before and after."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.errors import UserError
from hornbook.files import read_json, write_json
from hornbook.train.data import Given
from hornbook.train.shapes import Completion, Reply

if TYPE_CHECKING:
    from hornbook.model.tokenizers import Tokenizer

PROMPTS = "training/prompts.json"
MOST = 8  # prompts that are kept
LONGEST = 256  # tokens of a prompt
_OPENINGS = (200, 100, 50)  # characters of a text that are its opening, the first that is short enough
_ANSWER = 2_000  # characters of a row's own answer
_TRIED = 200  # rows, before it is taken that all prompts are too long

Prompt = dict[str, Any]
"""`messages`, or a `text` to go on from; its `answer` in the row; whether the row was `held_out`, never learnt."""


def keep_prompts(sources: Sequence[Given], tokenizer: Tokenizer, context: int, into: Path, *, held_out: bool) -> None:
    """Write `into/training/prompts.json`: the first MOST prompts that are short, no two alike, of each source in turn.

    sources: what was held out of the data, or, where nothing was, the data themselves.
    """
    rows = chain.from_iterable(zip_longest(*(source.rows for source in sources)))
    kept: dict[str, Prompt] = {}
    for row in islice((row for row in rows if row is not None), _TRIED):
        tried = (prompt_of(row, opening) for opening in _OPENINGS)
        prompt = next((one for one in tried if one is not None and _fits(one, tokenizer, context)), None)
        if prompt is not None:
            prompt["answer"] = prompt["answer"][:_ANSWER]
            kept.setdefault(json.dumps(prompt.get("messages", prompt.get("text"))), prompt | {"held_out": held_out})
        if len(kept) == MOST:
            break
    write_json(into / PROMPTS, list(kept.values()))


def prompt_of(row: Any, opening: int = _OPENINGS[0]) -> Prompt | None:
    """What a row asks a model for, and its own answer; None for one that asks for nothing.

    row: what is learnt (`shapes.Row`), of a conversation up to its first answer, of a text the opening, so many
    characters and at most half of it; or a pair, whose answer is the chosen one.
    """
    if isinstance(row, Mapping):
        asked = {"messages": row["messages"]} if row.get("messages") else {"text": row["prompt"]}
        return {**asked, "answer": row["chosen"]}
    if isinstance(row, Reply):
        return {"messages": row.messages, "answer": row.answer}
    if isinstance(row, Completion):
        return {"text": row.prompt, "answer": row.answer}
    if isinstance(row, str):
        room = min(opening, len(row) // 2)
        end = max(row.rfind(" ", 0, room + 1), row.rfind("\n", 0, room + 1))
        end = end if end > 0 else room
        return {"text": row[:end], "answer": row[end:]} if row[:end].strip() else None
    at = next((at for at, message in enumerate(row) if message["role"] == "assistant"), 0)
    return {"messages": list(row[:at]), "answer": row[at]["content"]} if at else None


def _fits(prompt: Prompt, tokenizer: Tokenizer, context: int) -> bool:
    try:
        return 0 < len(ids_of(prompt, tokenizer)) <= min(LONGEST, context // 2)
    except UserError:  # a role that the template does not have
        return False


def ids_of(prompt: Prompt, tokenizer: Tokenizer) -> list[int]:
    """What a model reads before it answers."""
    return tokenizer.chat(prompt["messages"]) if "messages" in prompt else tokenizer.encode_prompt(prompt["text"])


def prompts(folder: Path) -> list[Prompt]:
    """The prompts that a training kept in its folder; none where it kept none."""
    path = folder / PROMPTS
    found: list[Prompt] = read_json(path) if path.is_file() else []
    return found
