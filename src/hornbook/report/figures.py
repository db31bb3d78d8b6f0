"""Every figure of a run, gathered from its manifests."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

from hornbook.report.checkpoints import change, checkpoints
from hornbook.report.run import Run
from hornbook.report.sections.losses import curves, held_out


def collect(run: Path) -> dict[str, Any]:
    """All figures of a run folder as plain JSON (no NaN), stage by stage, with the score table on top.

    Keys: run, pass_at_1 and scores (by checkpoint), changes (problems that each checkpoint gained and lost against
    the one before), seconds (of all stages), peak_memory (bytes, of the largest), stages. A stage has its seconds,
    peak_memory and figures; a stage that trains has the points of its loss curves in `curves`, and what was measured on
    rows held out in `validations`.
    """
    found = Run.at(run)
    models = checkpoints(found)
    stages = {}
    for stage, manifest in found.manifests.items():
        values = {key: value for key, value in manifest.figures.items() if key != "examples"}
        stages[stage] = {"seconds": manifest.seconds, "peak_memory": manifest.peak_memory, **values}
        if log := curves(found, stage):
            stages[stage]["curves"] = log
        if held := held_out(found, stage):
            stages[stage]["validations"] = held
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
