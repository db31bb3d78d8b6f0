"""The evaluate stage: the same questions to the model as it was after every step of its training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hornbook.evaluate.problems import Attempt, Problem, Style, attempt, interval
from hornbook.evaluate.refusals import refusal_rates
from hornbook.evaluate.settings import EvaluateSettings
from hornbook.evaluate.validation import validation_loss
from hornbook.files import read_json, write_json
from hornbook.model import checkpoint
from hornbook.model.tokenizer import PAD, Tokenizer
from hornbook.progress import Progress


def evaluate(
    models: Mapping[str, Path],
    problems: Sequence[Problem],
    safety: Sequence[dict[str, Any]],
    validation: Path,
    settings: EvaluateSettings,
    *,
    into: Path,
    progress: Progress,
    allow_unisolated: bool = False,
) -> dict[str, Any]:
    """Evaluate each model and write every answer to `into/NAME.json`; a model whose file is there is not asked again.

    Returns the score table: for each model validation losses, pass@1 as completion and in chat, and refusal rates.
    """
    table = {}
    for name, folder in models.items():
        path = into / f"{name}.json"
        if not path.is_file():
            result = evaluate_one(folder, problems, safety, validation, settings, name, progress, allow_unisolated)
            write_json(path, result)
        stored = read_json(path)
        table[name] = stored["scores"]
        progress.say(f"  {name}: {in_words(stored['scores'])}")
    return {"problems": len(problems), "models": table}


def evaluate_one(
    folder: Path,
    problems: Sequence[Problem],
    safety: Sequence[dict[str, Any]],
    validation: Path | None,
    settings: EvaluateSettings,
    name: str,
    progress: Progress,
    allow_unisolated: bool = False,
) -> dict[str, Any]:
    """One model's `scores`, and all its answers (`completion`, `chat`, `refusals`).

    `pass_at_1` is that of completing a docstring, phi-1's protocol, for base and chat models alike.
    """
    model, tokenizer = checkpoint.load(folder), Tokenizer(folder)
    result: dict[str, Any] = {"scores": {}}
    scores = result["scores"]
    if validation is not None:
        losses = validation_loss(model, validation, tokenizer.control(PAD))
        scores["validation_loss"] = {source: round(loss, 4) for source, loss in losses.items()}
    styles: tuple[Style, ...] = ("completion", "chat") if tokenizer.template else ("completion",)
    for style in styles:
        attempts = attempt(
            model,
            tokenizer,
            problems,
            style,
            settings,
            label=f"{name}, {style}",
            progress=progress,
            allow_unisolated=allow_unisolated,
        )
        result[style] = [asdict(one) for one in attempts]
        scores[style] = summary(attempts)
    if safety and tokenizer.template:
        result["refusals"] = refusal_rates(model, tokenizer, safety, settings)
        scores["refusals"] = {key: value for key, value in result["refusals"].items() if key != "answers"}
    scores["pass_at_1"] = scores["completion"]["pass_at_1"]
    return result


def summary(attempts: Sequence[Attempt]) -> dict[str, Any]:
    """pass@1 with its 95% interval, and by family."""
    passed = sum(one.passed for one in attempts)
    low, high = interval(passed, len(attempts))
    families: dict[str, list[bool]] = {}
    for one in attempts:
        families.setdefault(one.family, []).append(one.passed)
    return {
        "pass_at_1": round(passed / max(len(attempts), 1), 4),
        "passed": passed,
        "of": len(attempts),
        "interval": [round(low, 4), round(high, 4)],
        "families": {family: [sum(results), len(results)] for family, results in sorted(families.items())},
    }


def in_words(scores: Mapping[str, Any]) -> str:
    """A model's scores in one line."""
    parts = [
        f"pass@1 {scores[style]['pass_at_1']:.1%} as {style}" for style in ("completion", "chat") if style in scores
    ]
    if scores.get("refusals", {}).get("harmful_refused") is not None:
        parts.append(f"declines {scores['refusals']['harmful_refused']:.0%} of harmful requests")
        parts.append(f"{scores['refusals']['harmless_refused']:.0%} of harmless ones")
    return ", ".join(parts)
