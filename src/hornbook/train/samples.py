"""What a model writes before and after a training: prompts that the training keeps, answered when it is whole."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.errors import Notice, UserError
from hornbook.files import read_json, write_json
from hornbook.progress import Progress
from hornbook.runs.manifest import SAMPLES
from hornbook.train.data import Given
from hornbook.train.shapes import Completion

if TYPE_CHECKING:
    from hornbook.model.tokenizers import Tokenizer

PROMPTS = "training/prompts.json"
MOST = 8  # prompts that are kept
ANSWER = 64  # tokens of an answer
_PROMPT = 256  # tokens of a prompt
_OPENING = 200  # characters of a text that are its opening
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
        prompt = prompt_of(row)
        if prompt is not None and _fits(prompt, tokenizer, context):
            kept.setdefault(json.dumps(prompt.get("messages", prompt.get("text"))), prompt | {"held_out": held_out})
        if len(kept) == MOST:
            break
    write_json(into / PROMPTS, list(kept.values()))


def prompt_of(row: Any) -> Prompt | None:
    """What a row asks a model for, and its own answer; None for one that asks for nothing.

    row: what is learnt (`shapes.Row`): of a conversation up to its first answer, of a text the opening, at most half of
    it; or a pair, whose answer is the chosen one.
    """
    if isinstance(row, Mapping):
        asked = {"messages": row["messages"]} if row.get("messages") else {"text": row["prompt"]}
        return {**asked, "answer": row["chosen"]}
    if isinstance(row, Completion):
        return {"text": row.prompt, "answer": row.answer}
    if isinstance(row, str):
        room = min(_OPENING, len(row) // 2)
        end = max(row.rfind(" ", 0, room + 1), row.rfind("\n", 0, room + 1))
        end = end if end > 0 else room
        return {"text": row[:end], "answer": row[end:]} if row[:end].strip() else None
    at = next((at for at, message in enumerate(row) if message["role"] == "assistant"), 0)
    return {"messages": list(row[:at]), "answer": row[at]["content"]} if at else None


def _fits(prompt: Prompt, tokenizer: Tokenizer, context: int) -> bool:
    try:
        return 0 < len(_ids(prompt, tokenizer)) <= min(_PROMPT, context // 2)
    except UserError:  # a role that the template does not have
        return False


def _ids(prompt: Prompt, tokenizer: Tokenizer) -> list[int]:
    return tokenizer.chat(prompt["messages"]) if "messages" in prompt else tokenizer.encode_prompt(prompt["text"])


def prompts(folder: Path) -> list[Prompt]:
    """The prompts that a training kept in its folder; none where it kept none."""
    path = folder / PROMPTS
    found: list[Prompt] = read_json(path) if path.is_file() else []
    return found


def answered(folder: Path) -> dict[str, Any]:
    """What `answer` wrote into a training's folder, `model` and `samples`; empty where it wrote nothing."""
    path = folder / SAMPLES
    found: dict[str, Any] = read_json(path) if path.is_file() else {}
    return found


def answer(folder: Path, base: Path, called: str, count: int, progress: Progress) -> None:
    """Have `base` and what a training in `folder` made of it answer its first `count` prompts; see `answered`.

    Each token is the likeliest one, and nothing else decides: the same models answer the same. called: the base's name.
    """
    asked = prompts(folder)[:count]
    with progress.task("samples, before and after", total=2 * len(asked)) as task:
        for when, model in (("before", base), ("after", folder / "model")):
            for prompt, text in zip(asked, _answers(model, asked), strict=True):
                prompt[when] = text
                task.advance()
    write_json(folder / SAMPLES, {"model": called, "samples": asked})


def _answers(folder: Path, asked: Sequence[Prompt]) -> list[str]:
    """What the model of a folder answers, as `hornbook chat` and `generate` do without a temperature."""
    from hornbook.inference.opening import open_scheduler
    from hornbook.inference.scheduler import Request
    from hornbook.model.tokenizers import Tokenizer

    if not asked:
        return []
    tokenizer = Tokenizer(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Notice)  # of what computes: nobody asked to talk
        scheduler = open_scheduler(folder, context=_PROMPT + ANSWER, most=len(asked))
    running = [scheduler.submit(Request(_ids(prompt, tokenizer), ANSWER, tokenizer.stops)) for prompt in asked]
    while scheduler.busy:
        scheduler.step()
    texts = []
    for one in running:
        if one.error is not None:
            raise one.error
        text = tokenizer.decode([token.id for token in one.tokens])
        texts.append(text + ("…" if one.finish == "length" else ""))
    return texts
