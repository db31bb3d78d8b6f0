"""What training logged, thinned to what a plot can show."""

from __future__ import annotations

from typing import Any

from hornbook.report.run import Run

POINTS = 400

Curves = dict[str, list[float]]


def curves(run: Run, stage: str) -> Curves:
    """A stage's log by name (`step`, `loss`, `rate`, for DPO `accuracy`), at most POINTS each; empty without one."""
    log: dict[str, list[Any]] = run.json(stage, "training/losses.json", {})
    return {name: thinned(values) for name, values in log.items()}


def thinned(values: list[float], points: int = POINTS) -> list[float]:
    """Means of neighbouring values, so that at most `points` are left; the values themselves where they are few."""
    width = -(-len(values) // points)
    if width <= 1:
        return list(values)
    groups = [values[start : start + width] for start in range(0, len(values), width)]
    return [sum(group) / len(group) for group in groups]


def smoothed(values: list[float]) -> list[float]:
    """The mean of each value and its neighbours, up to a hundredth of all of them on either side."""
    reach = len(values) // 100
    means = []
    for middle in range(len(values)):
        near = min(reach, middle, len(values) - 1 - middle)
        part = values[middle - near : middle + near + 1]
        means.append(sum(part) / len(part))
    return means
