"""What a model answers before and after a training: to the prompts that the training kept, when it is whole.

Not in the room of those that train: their results depend on no code that answers.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hornbook.errors import Notice
from hornbook.files import read_json, write_json
from hornbook.progress import Progress
from hornbook.runs.manifest import SAMPLES
from hornbook.train.prompts import LONGEST, Prompt, ids_of, prompts

ANSWER = 64  # tokens of an answer


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
        scheduler = open_scheduler(folder, context=LONGEST + ANSWER, most=len(asked))
    running = [scheduler.submit(Request(ids_of(prompt, tokenizer), ANSWER, tokenizer.stops)) for prompt in asked]
    while scheduler.busy:
        scheduler.step()
    texts = []
    for one in running:
        if one.error is not None:
            raise one.error
        text = tokenizer.decode([token.id for token in one.tokens])
        texts.append(text + ("…" if one.finish == "length" else ""))
    return texts
