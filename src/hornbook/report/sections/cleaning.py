"""What was dropped on the way, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hornbook.corpus.by_source import nearly_gone
from hornbook.report.checkpoints import Checkpoint
from hornbook.report.run import Run
from hornbook.report.wording import marked, shortened

EXAMPLES = 2

# What lies beside the dropped text, by reason.
BESIDE = {
    "exact duplicate": "kept",
    "near duplicate": "kept",
    "contamination": "held-out problem",
}


def view(run: Run, models: Sequence[Checkpoint]) -> dict[str, Any] | None:
    """A table of sources and reasons, other stages' losses, and examples with both texts."""
    figures = run.figures("clean")
    if not figures:
        return None
    reasons = sorted(figures.get("removed", {}))
    return {
        "reasons": reasons,
        "rows": [
            {
                "source": source,
                "read": counts.get("read"),
                "removed": [counts.get(reason, 0) for reason in reasons],
                "kept": counts.get("documents"),
            }
            for source, counts in sorted(figures.get("sources", {}).items())
        ],
        "totals": {
            "read": figures.get("read"),
            "removed": [figures["removed"][reason] for reason in reasons],
            "kept": figures.get("documents"),
        },
        "earlier": _earlier(run),
        "fine_tuning": figures.get("fine_tuning") or {},
        "settings": run.settings("clean"),
        "lost": [
            {"stage": stage, "source": one.source, "read": one.read, "kept": one.kept}
            for stage in ("read", "filter", "grade", "clean")
            for one in nearly_gone(run.figures(stage))
        ],
        "examples": [
            {"reason": reason, "beside": BESIDE.get(reason, "beside"), "rows": [_example(row) for row in rows]}
            for reason, rows in _chosen(figures)
        ],
    }


def _earlier(run: Run) -> list[dict[str, Any]]:
    """What the stages before dropped, by reason."""
    stages = {
        "read": "while reading",
        "filter": "by the filters",
        "grade": "by their grades",
        "write": "while writing exercises",
    }
    return [
        {"when": when, "reason": reason, "count": number}
        for stage, when in stages.items()
        for reason, number in sorted((run.figures(stage).get("removed") or {}).items())
        if number
    ]


def _chosen(figures: dict[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    examples = figures.get("examples") or {}
    return [(reason, examples[reason][:EXAMPLES]) for reason in sorted(examples) if examples[reason]]


def _example(row: dict[str, Any]) -> dict[str, Any]:
    left, right = marked(row["text"], row.get("kept_text", ""))
    return {**row, "dropped": shortened(left), "beside": shortened(right)}
