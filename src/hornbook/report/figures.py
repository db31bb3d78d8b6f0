"""Every figure of a run, gathered from its manifests."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

from hornbook.report.checkpoints import change, checkpoints, in_order
from hornbook.report.run import Run
from hornbook.report.sections.losses import curves


def collect(run: Path) -> dict[str, Any]:
    """All figures of a run folder as plain JSON (no NaN), stage by stage, with the score table on top.

    Keys: run, pass_at_1 and scores (by checkpoint), changes (problems that each checkpoint gained and lost against
    the one before), seconds (of all stages), peak_memory (bytes, of the largest), stages. A stage has its seconds,
    peak_memory and figures; a stage that trains has the points of its loss curves in `curves`.
    """
    found = Run.at(run)
    models = checkpoints(found)
    stages = {}
    for stage, manifest in found.manifests.items():
        values = {key: value for key, value in manifest.figures.items() if key != "examples"}
        stages[stage] = {"seconds": manifest.seconds, "peak_memory": manifest.peak_memory, **values}
        if log := curves(found, stage):
            stages[stage]["curves"] = log
    collected = {
        "run": str(run),
        "pass_at_1": {model.name: model.scores.get("pass_at_1") for model in models},
        "scores": {model.name: model.scores for model in models},
        "changes": {
            after.name: {"against": before.name, "gained": step.gained, "lost": step.lost, "p": step.p}
            for before, after in pairwise(models)
            if (step := change(before, after)) is not None
        },
        "seconds": round(sum(values["seconds"] for values in stages.values()), 1),
        "peak_memory": max((values["peak_memory"] for values in stages.values()), default=0),
        "stages": stages,
    }
    cleaned: dict[str, Any] = without_nan(collected)
    return cleaned


def without_nan(value: Any) -> Any:
    """The same JSON value with None for every number that JSON cannot write."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def headline(stage: str, figures: dict[str, Any]) -> str:
    """What a stage did, in one line; empty for a stage that is unknown or did not measure what the line tells."""
    try:
        return _HEADLINES[stage](figures)
    except (KeyError, TypeError):
        return ""


def _scores(figures: dict[str, Any]) -> str:
    models = figures["models"]
    return ", ".join(f"{name} {models[name]['pass_at_1']:.1%}" for name in in_order(models))


def _tokens(figures: dict[str, Any]) -> int:
    return sum(component["tokens"] for phase in figures["phases"].values() for component in phase)


# A line of `hornbook run` has 80 columns; its folder and time leave these about 55.
_HEADLINES = {
    "read": lambda f: f"{f['documents']:,} documents, {f['characters'] / 1e6:.1f} million characters",
    "filter": lambda f: (
        f"{f['documents']:,} documents kept, {sum(f['removed'].values()):,} removed"
        + (f", {sum(f['masked'].values()):,} masked" if f["masked"] else "")
    ),
    "grade": lambda f: (
        f"{f['graded']:,} graded; classifier's F1 {f['agreement']['f1']['value']:.2f} on held-out grades"
    ),
    "texts": lambda f: ", ".join(f"{one['documents']:,} {name}" for name, one in f["texts"].items()),
    "write": lambda f: f"{f['exercises']:,} exercises of {f['families']} families, each run and checked",
    "clean": lambda f: f"{f['documents']:,} documents kept, {sum(f['removed'].values()):,} removed",
    "tokens": lambda f: f"vocabulary of {f['vocabulary']:,}, {_tokens(f) / 1e6:.2f} million tokens packed",
    "pretrain": lambda f: (
        f"{f['parameters']:,} parameters, {sum(f['tokens'].values()) / 1e6:.2f}M tokens, "
        f"loss {f['loss']['phase1']:.2f} → {f['loss']['phase2']:.2f}"
    ),
    "sft": lambda f: f"{f['conversations']:,} conversations, loss {f['loss']:.2f}",
    "dpo": lambda f: f"{f['pairs']:,} pairs, right choice {f['accuracy_first']:.0%} → {f['accuracy_last']:.0%}",
    "evaluate": lambda f: f"pass@1: {_scores(f)}",
    "quantize": lambda f: f"{f['bytes_before'] / 1e6:.2f} MB → {f['bytes_after'] / 1e6:.2f} MB, pass@1: {_scores(f)}",
    "samples": lambda f: (
        "validation loss "
        + ", ".join(f"{name} {min(losses.values()):.2f}" for name, losses in f["validation_loss"].items())
    ),
    "search": lambda f: (
        f"{f['original']:,} → {f['context']:,} tokens, loss {f['loss']:.3f} (YaRN {f['published']['yarn']:.3f})"
    ),
    "extend": lambda f: (
        f"{f['tokens'] / 1e6:.2f}M tokens, long rows' loss {f['loss_first']:.2f} → {f['loss_last']:.2f}"
    ),
    "measure": lambda f: "perplexity at {:,}: {:.1f}; at {:,}: {:.1f}".format(
        *(f["perplexity"]["extended"][end][key] for end in (0, -1) for key in ("length", "perplexity"))
    ),
    "report": lambda f: f"one page, {f['bytes'] / 1e3:.0f} kB",
}
