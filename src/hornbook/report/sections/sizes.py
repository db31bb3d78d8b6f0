"""How large the model is, before and after quantization, and what that costs in score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hornbook.report.checkpoints import Checkpoint, last_trained
from hornbook.report.run import Run

FLOPPY = 1_474_560  # a 3.5-inch disk, in bytes


def view(run: Run, models: Sequence[Checkpoint]) -> dict[str, Any] | None:
    """Two bars of bytes with their scores, what rounding cost on held-out text, and the model's shape."""
    figures = run.figures("quantize")
    layout = run.settings("pretrain").get("model") or {}
    if not figures.get("bytes_after") and not layout:
        return None
    return {
        "layout": {key.replace("_", " "): value for key, value in sorted(layout.items()) if value is not None},
        "bars": _bars(figures, run.title("quantize"), models) if figures.get("bytes_after") else [],
        "form": run.title("quantize"),
        "bits": figures.get("bits_per_weight"),
        "rows": figures.get("calibration_rows"),
        "quality": figures.get("quality"),
        "floppies": FLOPPY // figures["bytes_after"] if figures.get("bytes_after") else 0,
        "kept": _kept(models),
    }


def _bars(figures: dict[str, Any], form: str, models: Sequence[Checkpoint]) -> list[dict[str, Any]]:
    before, after = _both(models)
    rows = (("full precision", "bytes_before", before), (form, "bytes_after", after))
    return [
        {
            "title": title,
            "bytes": figures[key],
            "part": figures[key] / figures["bytes_before"],
            "score": model.scores["pass_at_1"] if model else None,
        }
        for title, key, model in rows
    ]


def _kept(models: Sequence[Checkpoint]) -> float | None:
    """The share of pass@1 that is left after quantization."""
    before, after = _both(models)
    if before is None or after is None or not before.scores["pass_at_1"]:
        return None
    kept: float = after.scores["pass_at_1"] / before.scores["pass_at_1"]
    return kept


def _both(models: Sequence[Checkpoint]) -> tuple[Checkpoint | None, Checkpoint | None]:
    trained = [model for model in models if model.stage == "evaluate"]
    quantized = [model for model in models if model.stage == "quantize"]
    return last_trained(trained), quantized[-1] if quantized else None
