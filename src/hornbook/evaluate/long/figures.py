"""From cells to what is shown: scores by task and length, averages, and depth against length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hornbook.evaluate.benchmark import wilson_interval


def summary(cells: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """`tasks`: by task and length; `average`: by length, over the tasks that could be asked at it.

    Lengths are texts, as JSON has no other keys. A task's score at a length is that of all its prompts, so it weighs
    depths equally; the average weighs tasks equally, as RULER's does.
    """
    tasks: dict[str, dict[str, Any]] = {}
    for cell in cells:
        tasks.setdefault(cell["task"], {}).setdefault(str(cell["length"]), []).append(cell)
    scores = {task: {length: _together(found) for length, found in row.items()} for task, row in tasks.items()}
    lengths = sorted({cell["length"] for cell in cells})
    return {"tasks": scores, "average": {str(length): _average(scores, str(length)) for length in lengths}}


def _together(cells: Sequence[dict[str, Any]]) -> dict[str, Any]:
    count = sum(cell["n"] for cell in cells)
    total = sum(cell["score"] * cell["n"] for cell in cells)
    return {
        "score": round(total / count, 4),
        "n": count,
        "interval": [round(bound, 4) for bound in wilson_interval(total, count)],
    }


def _average(scores: dict[str, dict[str, Any]], length: str) -> dict[str, Any]:
    found = [row[length]["score"] for row in scores.values() if length in row]
    return {"score": round(sum(found) / len(found), 4), "tasks": len(found)}


def grids(cells: Sequence[dict[str, Any]]) -> dict[str, dict[tuple[float, int], float]]:
    """For each task whose depth is varied: score by (depth, length)."""
    found: dict[str, dict[tuple[float, int], float]] = {}
    for cell in cells:
        if cell["depth"] is not None:
            found.setdefault(cell["task"], {})[cell["depth"], cell["length"]] = cell["score"]
    return found


def averaged(found: Mapping[str, Mapping[tuple[float, int], float]]) -> dict[tuple[float, int], float]:
    """The mean of several tasks' grids at each depth and length."""
    scores: dict[tuple[float, int], list[float]] = {}
    for grid in found.values():
        for place, score in grid.items():
            scores.setdefault(place, []).append(score)
    return {place: sum(values) / len(values) for place, values in scores.items()}


def in_tokens(length: int) -> str:
    """A length in few characters: 512, 1K, 128K."""
    return f"{length // 1024}K" if length % 1024 == 0 else str(length)
