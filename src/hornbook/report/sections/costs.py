"""Time and memory of every stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hornbook.report.checkpoints import Checkpoint
from hornbook.report.overview import machine, totals
from hornbook.report.run import Run


def view(run: Run, models: Sequence[Checkpoint]) -> dict[str, Any] | None:
    """A bar of seconds and one of bytes for each stage."""
    if not run.manifests:
        return None
    seconds, memory = totals(run)
    longest = max(one.seconds for one in run.manifests.values()) or 1.0
    return {
        "rows": [
            {
                "stage": stage,
                "seconds": one.seconds,
                "time_part": one.seconds / longest,
                "memory": one.peak_memory,
                "memory_part": one.peak_memory / (memory or 1),
            }
            for stage, one in run.manifests.items()
        ],
        "seconds": seconds,
        "memory": memory,
        "machine": machine(run),
        "computing": run.figures("pretrain").get("computing", ""),
        "quantize_evaluates": bool(run.figures("quantize").get("models")),
        "speed": _speed(run.figures("pretrain")),
    }


def _speed(figures: dict[str, Any]) -> float | None:
    """Tokens a second in pretraining."""
    seconds = figures.get("training_seconds")
    return sum(figures["tokens"].values()) / seconds if seconds and figures.get("tokens") else None
