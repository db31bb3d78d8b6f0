"""The top of the page: what came out, in one look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hornbook.display import plural
from hornbook.report.checkpoints import Checkpoint, last_trained
from hornbook.report.run import Run
from hornbook.report.wording import count, decimal, duration, share, size


def view(run: Run, models: Sequence[Checkpoint]) -> dict[str, Any]:
    """The sentence, the tiles, and the final score as a bar."""
    final = last_trained(models)
    return {"summary": _summary(run, final), "tiles": list(_tiles(run, models)), "final": _final(final, models)}


def machine(run: Run) -> str:
    """The machines that did the work, in words; more than one where a run moved."""
    found = {_describe(manifest.machine): None for manifest in run.manifests.values() if manifest.machine}
    return "; ".join(found)


def totals(run: Run) -> tuple[float, int]:
    """Seconds of all stages, and the peak memory of the largest in bytes."""
    manifests = run.manifests.values()
    return sum(one.seconds for one in manifests), max((one.peak_memory for one in manifests), default=0)


def _describe(facts: dict[str, Any]) -> str:
    cores = facts.get("cores")
    described = [
        str(facts.get("processor", "")),
        plural(cores, "core") if isinstance(cores, int) else "",
        str(facts.get("system", "")),
    ]
    return ", ".join(part for part in described if part)


def _summary(run: Run, final: Checkpoint | None) -> str:
    read, exercises = run.figures("read").get("documents"), run.figures("write").get("exercises")
    parameters = run.figures("pretrain").get("parameters")
    sources = [plural(read, "document")] if read else []
    sources += [plural(exercises, "exercise")] if exercises else []
    told = []
    if sources and parameters:
        seconds, _ = totals(run)
        told.append(
            f"{' and '.join(sources)} were gone through, in {duration(seconds)} of work{_taken(run)}: a model of "
            f"{count(parameters)} parameters."
        )
    if final:
        score = final.scores["completion"]
        told.append(
            f"It completes {score['passed']:,} of {plural(score['of'], 'Python function')} right at the first try; "
            "it has never seen any of them."
        )
    return " ".join(told)


def _taken(run: Run) -> str:
    """How many documents the phases of pretraining read: `; phase 1 read 97 of them, phase 2 up to 1,025`."""
    read = run.figures("pretrain").get("mixture") or {}
    told: list[str] = []
    for name, parts in sorted((run.figures("tokens").get("phases") or {}).items()):
        taken = read.get(name) or parts
        documents = sum(part["documents"] for part, found in zip(parts, taken, strict=False) if found.get("rows"))
        whole = all(found.get("epochs", 1.0) >= 1 for found in taken)
        of = " of them" if not told else ""
        told.append(f"{run.titles.get(name, name)} read {'' if whole else 'up to '}{count(documents)}{of}")
    return f"; {', '.join(told)}" if told else ""


def _final(final: Checkpoint | None, models: Sequence[Checkpoint]) -> dict[str, Any] | None:
    """The last trained checkpoint's score, and the best one's where that is another's."""
    if final is None:
        return None
    low, high = final.scores["completion"]["interval"]
    best = max((model for model in models if model.stage == final.stage), key=lambda model: model.scores["pass_at_1"])
    better = best.scores["pass_at_1"] > final.scores["pass_at_1"]
    return {
        "title": final.title,
        "score": final.scores["pass_at_1"],
        "low": low,
        "high": high,
        "best": {"title": best.title, "score": best.scores["pass_at_1"]} if better else None,
    }


def _tiles(run: Run, models: Sequence[Checkpoint]) -> list[dict[str, str]]:
    tiles = []
    parameters = run.figures("pretrain").get("parameters")
    if parameters:
        layout = run.settings("pretrain").get("model", {})
        shape = (
            f"{plural(layout['layers'], 'layer')}, width {layout['width']}"
            if {"layers", "width"} <= layout.keys()
            else ""
        )
        amount = f"{decimal(parameters / 1e6)} M" if parameters < 1e9 else f"{decimal(parameters / 1e9)} B"
        tiles.append({"label": "parameters", "value": amount, "note": shape})
    quantized = run.figures("quantize")
    if quantized.get("bytes_after"):
        score = next((model.scores["pass_at_1"] for model in models if model.stage == "quantize"), None)
        note = f"from {size(quantized['bytes_before'])}" + (f"; pass@1 {share(score, 1)}" if score is not None else "")
        tiles.append({"label": f"at {run.title('quantize')}", "value": size(quantized["bytes_after"]), "note": note})
    seconds, memory = totals(run)
    return [
        *tiles,
        {"label": "from raw text to model", "value": duration(seconds), "note": "all stages together"},
        {"label": "peak memory", "value": size(memory), "note": "of the largest stage"},
    ]
