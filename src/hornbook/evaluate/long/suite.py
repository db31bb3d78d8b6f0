"""The suite: every task at every length and depth, resumable cell by cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook import machine
from hornbook.errors import UserError
from hornbook.evaluate.long import exercises
from hornbook.evaluate.long.cells import Answerer, Cell, answered, cells, questions, store, stored
from hornbook.evaluate.long.figures import summary
from hornbook.evaluate.long.fit import TooShortError
from hornbook.evaluate.long.haystack import read_text
from hornbook.evaluate.long.heatmap import svg
from hornbook.evaluate.long.materials import Materials
from hornbook.evaluate.long.prose import noise, prose
from hornbook.evaluate.long.question import Prompter, Question
from hornbook.evaluate.long.settings import LongSettings
from hornbook.files import digest_file, digest_value, write_json, write_text
from hornbook.progress import Progress

if TYPE_CHECKING:
    from hornbook.model.tokenizers import Tokenizer
    from hornbook.model.transformer import Transformer

RESULTS, HEATMAP = "long.json", "long.svg"
_FORMAT = 1  # of a cell's prompts; another one makes the results on disk void
_MADE_UP = 1_000_000  # characters of made-up sentences: more than 128K tokens


def run_long_suite(model_folder: Path, settings: LongSettings, progress: Progress, into: Path) -> dict[str, Any]:
    """Test a checkpoint; writes `into/long.json`, `into/long.svg` and `into/cells/`, and returns the figures.

    A cell that `into` holds, made by the same model with the same settings, is read and not asked again.
    """
    from hornbook.model.formats import checkpoint
    from hornbook.model.tokenizers import Tokenizer

    device = machine.choose().device
    tokenizer = Tokenizer(model_folder)
    model = checkpoint.load(model_folder, device=device)
    return run_suite(
        _ask(model, tokenizer),
        Prompter(tokenizer, chat=settings.chat),
        model.config.context,
        settings,
        progress,
        into,
        about={"model": str(model_folder), "device": device, "precision": str(model.compute).removeprefix("torch.")},
        identity=identity(model_folder),
    )


def run_suite(
    answer: Answerer,
    prompter: Prompter,
    context: int,
    settings: LongSettings,
    progress: Progress,
    into: Path,
    *,
    identity: str,
    about: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The suite for anything that answers questions; `identity` tells one answerer's results from another's.

    about: what else the figures shall say of it.
    """
    lengths = settings.lengths_for(context)
    materials = gather(settings, prompter)
    made_from = _key(settings, materials, identity)
    plan = cells(settings, lengths)
    results, skipped = [], _not_asked(settings)
    with progress.task("long contexts", sum(cell.samples for cell in plan)) as bar:
        for cell in plan:
            path, key = into / "cells" / f"{cell.name}.json", digest_value([made_from, cell.name, cell.samples])
            result = stored(path, key)
            if result is None:
                at_once = max(1, settings.tokens_at_once // cell.length)
                try:
                    result = answered(cell, questions(cell, materials, settings.seed), answer, at_once)
                except TooShortError as error:
                    if not any((one["task"], one["length"]) == (cell.task, cell.length) for one in skipped):
                        skipped.append({"task": cell.task, "length": cell.length, "why": str(error)})
                else:
                    store(path, key, result)
            if result is not None:
                results.append({name: value for name, value in result.items() if name != "answers"})
                bar.note(_in_words(cell, result))
            bar.advance(cell.samples)
    figures = {
        **(about or {}),
        "suite": "long",
        "context": context,
        "asked": "in chat" if prompter.chat else "as completion",
        "text": materials.text.name,
        "settings": settings.model_dump(mode="json"),
        "cells": results,
        "skipped": skipped,
        **summary(results),
    }
    write_json(into / RESULTS, figures)
    drawn = svg(figures)
    if drawn:
        write_text(into / HEATMAP, drawn)
    return figures


def gather(settings: LongSettings, prompter: Prompter) -> Materials:
    """Read what the user named, and make what they did not."""
    text = read_text(settings.text) if settings.text else prose(settings.seed, _MADE_UP)
    repeated = noise()
    return Materials(
        prompter,
        repeated,
        text,
        settings.passkey,
        read_text(settings.passkey_text) if settings.passkey_text else repeated,
        exercises.load(settings.questions) if settings.questions else (),
    )


def identity(model_folder: Path) -> str:
    """A digest of everything in a checkpoint that its answers depend on."""
    names = ("*.json", "*.jinja", "*.safetensors", "*.bin", "*.txt", "*.tiktoken")
    files = sorted({path for pattern in names for path in model_folder.glob(pattern) if path.name != "manifest.json"})
    if not files:
        raise UserError(f"{model_folder} holds no model; give a folder with config.json and model.safetensors")
    return digest_value({path.name: digest_file(path) for path in files})


def _ask(model: Transformer, tokenizer: Tokenizer) -> Answerer:
    from hornbook.inference.generate import generate

    def answer(asked: Sequence[Question]) -> list[str]:
        limit = max(question.room for question in asked)
        prompts = [question.prompt for question in asked]
        made = generate(model, prompts, limit=limit, stops=tokenizer.stops, batch=len(prompts))
        return [tokenizer.decode(ids) for ids in made]

    return answer


def _key(settings: LongSettings, materials: Materials, identity: str) -> str:
    """Changes with everything that a cell's result depends on, but not with which cells are asked for."""
    haystacks = (materials.noise, materials.text, materials.passkey_haystack)
    return digest_value(
        {
            "format": _FORMAT,
            "model": identity,
            "seed": settings.seed,
            "chat": materials.prompter.chat,
            "passkey": settings.passkey.model_dump(mode="json"),
            "haystacks": [haystack.digest for haystack in haystacks],
            "questions": digest_file(settings.questions) if settings.questions else None,
        }
    )


def _not_asked(settings: LongSettings) -> list[dict[str, Any]]:
    if settings.questions is None and "reading" in (settings.tasks or ("reading",)):
        return [{"task": "reading", "length": None, "why": "it needs --questions, a JSONL file"}]
    return []


def _in_words(cell: Cell, result: dict[str, Any]) -> str:
    depth = "" if cell.depth is None else f", depth {cell.depth:g}%"
    return f"{cell.task} at {cell.length:,}{depth}: {result['score']:.0%}"
