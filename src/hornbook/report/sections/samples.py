"""What the model writes after given openings, and its loss on text that it never read."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp
from typing import Any

from hornbook.report.checkpoints import Checkpoint
from hornbook.report.run import Run


def view(run: Run, models: Sequence[Checkpoint]) -> dict[str, Any] | None:
    """The losses of each checkpoint by source, and the last one's samples."""
    losses: dict[str, dict[str, float]] = run.figures("samples").get("validation_loss", {})
    names = run.in_order(losses)
    if not names:
        return None
    written: dict[str, Any] = run.json("samples", f"{names[-1]}.json", {})
    return {
        "sources": sorted({source for loss in losses.values() for source in loss}),
        "losses": [
            {
                "title": run.titles.get(name, name),
                "loss": losses[name],
                "perplexity": {source: exp(loss) for source, loss in losses[name].items()},
            }
            for name in names
        ],
        "last": run.titles.get(names[-1], names[-1]),
        "samples": written.get("samples", []),
    }
