"""What studies found of the steps that a run has: one run with one seed does not tell what a step is worth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hornbook
from hornbook.files import read_json
from hornbook.report.checkpoints import Checkpoint
from hornbook.report.run import Run

FOUND = Path(hornbook.__file__).parent / "studies" / "found.json"  # benchmarks/evidence.py writes it


def view(run: Run, models: Sequence[Checkpoint]) -> dict[str, Any] | None:
    """Each study of one of the run's stages, in the order of the stages: its question and what it found."""
    stages = list(run.manifests)
    told = [{"study": name, **found} for name, found in read_json(FOUND).items() if found["stage"] in stages]
    return {"studies": sorted(told, key=lambda one: stages.index(one["stage"]))} if told else None
