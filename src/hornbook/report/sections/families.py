"""pass@1 by family of problems and checkpoint: where the model is strong and where it is not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hornbook.report.checkpoints import Checkpoint, last_trained
from hornbook.report.run import Run


def view(run: Run, models: Sequence[Checkpoint]) -> dict[str, Any] | None:
    """A row a family, best after training first, with (passed, of) for each checkpoint."""
    final = last_trained(models)
    if final is None:
        return None
    scored = {model.name: model.scores["completion"].get("families") or {} for model in models}
    names = sorted({family for families in scored.values() for family in families})
    if not names:
        return None

    def rate(family: str) -> float:
        passed, of = scored[final.name].get(family, (0, 0))
        return passed / of if of else 0.0

    rows = [
        {"family": family.replace("_", " "), "cells": [_cell(scored[model.name].get(family)) for model in models]}
        for family in sorted(names, key=lambda family: (-rate(family), family))
    ]
    middle = -(-len(rows) // 2)
    return {
        "titles": [model.title for model in models],
        "halves": [half for half in (rows[:middle], rows[middle:]) if half],
        "final": final.title,
        "whole": sum(rate(family) == 1 for family in names),
        "none": sum(rate(family) == 0 for family in names),
        "count": len(names),
    }


def _cell(result: Sequence[int] | None) -> dict[str, Any] | None:
    """None where the family was not asked."""
    if not result or not result[1]:
        return None
    return {"passed": result[0], "of": result[1], "rate": result[0] / result[1]}
