"""Every figure of a run, gathered from its manifests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hornbook import manifest

CHECKPOINTS = ("phase1", "phase2", "sft", "dpo", "4bit")


def collect(run: Path) -> dict[str, Any]:
    """All figures of a run folder by stage, with seconds and peak memory, and the score table on top.

    Keys: run, pass_at_1 (by checkpoint), scores (by checkpoint), stages, seconds, peak_memory.
    """
    stages: dict[str, Any] = {}
    for folder in sorted(run.glob("[0-9][0-9]-*")):
        found = manifest.read(folder)
        if found is not None:
            stages[found.stage] = {"seconds": found.seconds, "peak_memory": found.peak_memory, **found.figures}
    scores = {
        name: stages[stage]["models"][name]
        for stage in ("evaluate", "quantize")
        for name in CHECKPOINTS
        if name in stages.get(stage, {}).get("models", {})
    }
    return {
        "run": str(run),
        "pass_at_1": {name: values["pass_at_1"] for name, values in scores.items()},
        "scores": scores,
        "seconds": round(sum(values["seconds"] for values in stages.values()), 1),
        "peak_memory": max((values["peak_memory"] for values in stages.values()), default=0),
        "stages": stages,
    }


def headline(stage: str, figures: dict[str, Any]) -> str:
    """What a stage did, in one line."""
    try:
        return _HEADLINES[stage](figures)
    except KeyError:
        return ""


def _score(values: dict[str, Any], name: str) -> str:
    return f"{values['models'][name]['pass_at_1']:.1%}"


_HEADLINES = {
    "read": lambda f: f"{f['documents']:,} documents, {f['characters'] / 1e6:.1f} million characters",
    "grade": lambda f: f"F1 {f['f1']['value']:.2f} against the teacher's held-out grades",
    "write": lambda f: f"{f['exercises']:,} exercises of {f['families_count']} families, all run and checked",
    "clean": lambda f: f"{f['kept']:,} documents kept, {f['removed']:,} removed",
    "tokens": lambda f: (
        f"{f['vocabulary']:,} ids, "
        f"{sum(c['tokens'] for p in f['phases'].values() for c in p) / 1e6:.1f} million tokens packed"
    ),
    "pretrain": lambda f: (
        f"{f['parameters']:,} parameters, {sum(f['tokens'].values()) / 1e6:.2f} million tokens, "
        f"loss {f['loss']['phase1']:.2f} → {f['loss']['phase2']:.2f}"
    ),
    "sft": lambda f: f"{f['conversations']:,} conversations, loss {f['loss']:.2f}",
    "dpo": lambda f: f"{f['pairs']:,} pairs, prefers the better answer {f['accuracy_last']:.0%} of the time",
    "evaluate": lambda f: (
        "pass@1 " + " → ".join(f"{name} {_score(f, name)}" for name in CHECKPOINTS if name in f["models"])
    ),
    "quantize": lambda f: (
        f"{f['bytes_before'] / 1e6:.2f} MB → {f['bytes_after'] / 1e6:.2f} MB, pass@1 {_score(f, '4bit')}"
    ),
    "report": lambda f: "one page",
}
