"""Prompts to try: of Hornbook's own models what they have been seen to answer, of others what chat models can do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hornbook.errors import UserError
from hornbook.files import read_json, read_jsonl
from hornbook.model.tokenizers import END_OF_TEXT, PAD, Tokenizer
from hornbook.runs.folders import stage_folders

_OTHERS = (
    "Explain in two sentences why the sky is blue.",
    "Give me three ideas for a rainy afternoon.",
    "Write a short poem about a lighthouse.",
    "What is a prime number? Give an example.",
)


def suggestions(folder: Path, tokenizer: Tokenizer) -> tuple[str, ...]:
    """Prompts for a chat with the model of this folder.

    A model with Hornbook's own vocabulary knows what its recipe taught and little else: of these the shortest questions
    of its evaluation that it answered rightly in chat, each of another kind; none without such an evaluation.
    """
    if not {END_OF_TEXT, PAD} <= tokenizer.controls.keys():
        return _OTHERS
    try:
        return _answered(folder.resolve())
    except (UserError, KeyError, TypeError, AttributeError, ValueError):
        return ()  # of another version, or damaged: a chat goes without


def _answered(folder: Path) -> tuple[str, ...]:
    """Questions that the model of a run, RUN/NN-STAGE/model, was asked in chat, and answered with a right program."""
    stages = stage_folders(folder.parent.parent)
    name = next((name for name, place in stages.items() if place.resolve() == folder.parent), None)
    if name is None or not {"write", "evaluate"} <= stages.keys():
        return ()
    results = [*sorted(folder.parent.glob("*bit.json")), stages["evaluate"] / f"{name}.json"]
    found: dict[str, Any] = next((read_json(path) for path in results if path.is_file()), {})
    right = {attempt["id"]: attempt["family"] for attempt in found.get("chat", []) if attempt["passed"]}
    asked = [row for row in read_jsonl(stages["write"] / "problems.jsonl") if row["id"] in right]
    shortest: dict[str, str] = {}
    for question, family in sorted(((row["question"], right[row["id"]]) for row in asked), key=lambda one: len(one[0])):
        shortest.setdefault(family, question)
    return tuple(shortest.values())[: len(_OTHERS)]
