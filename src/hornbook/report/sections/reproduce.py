"""What it takes to do the run again: seed, settings, versions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hornbook.report.checkpoints import Checkpoint
from hornbook.report.run import Run


def view(run: Run, models: Sequence[Checkpoint]) -> dict[str, Any] | None:
    """Seeds, versions (all of them, where stages differ) and each stage's settings."""
    if not run.manifests:
        return None
    seeds = sorted({one.settings["seed"] for one in run.manifests.values() if "seed" in one.settings})
    versions: dict[str, dict[str, None]] = {}
    for one in run.manifests.values():
        for library, version in one.versions.items():
            versions.setdefault(library, {})[version] = None
    return {
        "seeds": seeds,
        "versions": [(library, ", ".join(found)) for library, found in versions.items()],
        "settings": [
            (stage, json.dumps(one.settings, indent=2, sort_keys=True, ensure_ascii=False))
            for stage, one in run.manifests.items()
        ],
    }
