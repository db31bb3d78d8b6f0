"""What the teacher wrote: exercises by family with what was drawn for them, conversations, preferences."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hornbook.files import read_jsonl
from hornbook.report.checkpoints import Checkpoint
from hornbook.report.run import Run
from hornbook.report.wording import clip

SAMPLES = 4


def view(run: Run, models: Sequence[Checkpoint]) -> dict[str, Any] | None:
    """Counts, diversity, sample exercises, one conversation and one pair of answers."""
    figures = run.figures("write")
    if not figures:
        return None
    families: dict[str, int] = figures.get("exercises_by_family", {})
    return {
        "figures": figures,
        "families": [{"family": name.replace("_", " "), "count": number} for name, number in sorted(families.items())],
        "diversity": figures.get("diversity") or {},
        "samples": _samples(run, sorted(families)),
        "conversations": figures.get("conversations") or {},
        "preferences": figures.get("preferences") or {},
        "conversation": _first(run, "conversations.jsonl", "task"),
        "pair": _first(run, "preferences.jsonl", "chat"),
    }


def _samples(run: Run, families: Sequence[str]) -> list[dict[str, Any]]:
    """Of a few families, evenly spaced, the exercise with the smallest id, with the seeds it was drawn from."""
    step = max(1, len(families) // SAMPLES)
    chosen = list(families[::step][:SAMPLES])
    found: dict[str, dict[str, Any]] = {}
    for row in run.documents("write", "family", chosen, ["id", "text", "family", "composition", "seeds"]):
        if row["family"] not in found or row["id"] < found[row["family"]]["id"]:
            found[row["family"]] = row
    rows = [found[family] for family in chosen if family in found]
    return [{**row, "family": row["family"].replace("_", " "), "seeds": _pairs(row["seeds"])} for row in rows]


def _pairs(seeds: str | None) -> list[tuple[str, str]]:
    """What was drawn, name by name; empty for a teacher that keeps nothing or something else."""
    try:
        drawn = json.loads(seeds or "{}")
    except json.JSONDecodeError:
        return []
    if not isinstance(drawn, dict):
        return []
    return [(key, json.dumps(drawn[key], ensure_ascii=False)) for key in drawn if key not in ("family", "composition")]


def _first(run: Run, name: str, kind: str) -> dict[str, Any] | None:
    """The first row of a kind; the first of all where the teacher knows no such kind."""
    path = run.file("write", name)
    rows = list(read_jsonl(path)) if path else []
    if not rows:
        return None
    row = next((row for row in rows if row.get("kind") == kind), rows[0])
    asked = row.get("messages") or [{"role": "user", "content": row.get("prompt", "")}]
    return {
        "messages": [{"role": one["role"], "content": clip(one["content"])} for one in asked],
        "chosen": clip(row.get("chosen", "")),
        "rejected": clip(row.get("rejected", "")),
    }
