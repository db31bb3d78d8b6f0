"""The evaluate stage: the same questions to the model as it was after every step of its training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hornbook.evaluate.benchmark import Benchmark, EvaluateSettings, HeldOut, Subject
from hornbook.evaluate.problems import CHAT, COMPLETION
from hornbook.evaluate.refusals import REFUSALS
from hornbook.evaluate.resume import done_before, store
from hornbook.evaluate.validation import VALIDATION
from hornbook.progress import Progress

BENCHMARKS: tuple[Benchmark[Any], ...] = (VALIDATION, COMPLETION, CHAT, REFUSALS)


def evaluate(
    models: Mapping[str, Path],
    held_out: HeldOut,
    settings: EvaluateSettings,
    *,
    into: Path,
    progress: Progress,
    allow_unisolated: bool = False,
) -> dict[str, Any]:
    """Put every benchmark to each model and write all answers to `into/NAME.json`; a model whose file is there is not
    asked again.

    Returns the score table: for each model the scores by benchmark, and `pass_at_1`.
    """
    asked = _load(held_out, settings)
    table = {}
    for name, folder in models.items():
        path = into / f"{name}.json"
        result = done_before(path)
        if result is None:
            result = _ask(folder, asked, settings, name, progress, allow_unisolated)
            store(path, result)
        table[name] = result["scores"]
        progress.say(f"  {name}: {in_words(result['scores'])}")
    return {"problems": len(asked.get(COMPLETION.name, ())), "models": table}


def evaluate_one(
    folder: Path,
    held_out: HeldOut,
    settings: EvaluateSettings,
    *,
    name: str,
    progress: Progress,
    allow_unisolated: bool = False,
) -> dict[str, Any]:
    """One model's `scores` by benchmark, and beside them its answers to each (`completion`, `chat`, `refusals`).

    `pass_at_1` among the scores is that of completing a docstring, phi-1's protocol, for base and chat models alike.
    """
    return _ask(folder, _load(held_out, settings), settings, name, progress, allow_unisolated)


def _load(held_out: HeldOut, settings: EvaluateSettings) -> dict[str, Any]:
    """What each benchmark asks, by its name; those that the run has nothing for are left out."""
    loaded = {benchmark.name: benchmark.load(held_out, settings) for benchmark in BENCHMARKS}
    return {name: items for name, items in loaded.items() if items is not None}


def _ask(
    folder: Path,
    asked: Mapping[str, Any],
    settings: EvaluateSettings,
    name: str,
    progress: Progress,
    allow_unisolated: bool,
) -> dict[str, Any]:
    from hornbook.model.formats import checkpoint
    from hornbook.model.tokenizers import Tokenizer

    subject = Subject(name, checkpoint.load(folder), Tokenizer(folder), settings, progress, allow_unisolated)
    scores: dict[str, Any] = {}
    answers: dict[str, Any] = {}
    for benchmark in BENCHMARKS:
        result = benchmark.run(subject, asked[benchmark.name]) if benchmark.name in asked else None
        if result is not None:
            scores[benchmark.name] = result.scores
            if result.answers is not None:
                answers[benchmark.name] = result.answers
    if COMPLETION.name in scores:
        scores["pass_at_1"] = scores[COMPLETION.name]["pass_at_1"]
    return {"scores": scores, **answers}


def in_words(scores: Mapping[str, Any]) -> str:
    """A model's scores in one line."""
    told = [benchmark.in_words(scores[benchmark.name]) for benchmark in BENCHMARKS if benchmark.name in scores]
    return ", ".join(part for part in told if part)
