"""The score table, stage by stage, and how the answers fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import exp
from typing import Any

from hornbook.evaluate.benchmark import Benchmark
from hornbook.evaluate.evaluate import BENCHMARKS
from hornbook.report.checkpoints import Checkpoint, why_wrong
from hornbook.report.run import Run
from hornbook.report.sections.answers import Shown, answered, problems
from hornbook.report.story import EXERCISES, story

# Kinds of answers from best to worst, as `why_wrong` names them; the first is a right one.
KINDS = (
    "",
    "returned a wrong value",
    "raised an error",
    "took too long",
    "took too much memory",
    "broke off",
    "gave the function another name",
    "did not load",
    "not valid Python",
)


# Benchmarks that the table draws in a way of their own; of every other one it shows what the terminal shows.
DRAWN = ("completion", "chat", "refusals")


def view(run: Run, models: Sequence[Checkpoint]) -> dict[str, Any] | None:
    """Rows of the table, the first two phases side by side, and the kinds of failures."""
    if not models:
        return None
    others = [one for one in BENCHMARKS if one.name not in DRAWN and any(one.name in model.scores for model in models)]
    return {
        "rows": [_row(run, models, index, others) for index in range(len(models))],
        "others": [column for one in others for column in one.columns],
        "sources": sorted({source for model in models for source in model.scores.get("validation_loss") or {}}),
        "has_chat": any("chat" in model.scores for model in models),
        "has_refusals": any(model.scores.get("refusals") for model in models),
        "phases": _phases(run, models),
        "kinds": _kinds(models),
    }


def _row(run: Run, models: Sequence[Checkpoint], index: int, others: Sequence[Benchmark[Any]]) -> dict[str, Any]:
    model = models[index]
    low, high = model.scores["completion"]["interval"]
    refusals = model.scores.get("refusals") or {}
    return {
        "title": model.title,
        "score": model.scores["pass_at_1"],
        "low": low,
        "high": high,
        "passed": model.scores["completion"]["passed"],
        "of": model.scores["completion"]["of"],
        "chat": model.scores.get("chat", {}).get("pass_at_1"),
        "harmful": refusals.get("harmful_refused"),
        "harmless": refusals.get("harmless_refused"),
        "others": [cell for one in others for cell in one.cells_of(model.scores)],
        "losses": model.scores.get("validation_loss") or {},
        "story": story(run, models, index),
    }


def _phases(run: Run, models: Sequence[Checkpoint]) -> dict[str, Any] | None:
    """One problem as the first two phases answer it: one that the second solves, where there is one."""
    by_name = {model.name: model for model in models}
    if not {"phase1", "phase2"} <= by_name.keys():
        return None
    first, second = by_name["phase1"], by_name["phase2"]
    right = {one["id"] for one in second.attempts if one["passed"]}
    failed = {one["id"] for one in first.attempts if not one["passed"]}
    known = problems(run)
    both = {one["id"] for one in first.attempts} & known.keys()
    asked = [one["id"] for one in reversed(second.attempts) if one["id"] in both]
    if not asked:
        return None
    telling = next((id_ for id_ in asked if id_ in right and id_ in failed), asked[0])
    cards: list[Shown] = [answered(model, known[telling]) for model in (first, second)]
    scores = [model.scores["pass_at_1"] for model in (first, second)]
    if scores[0] < 0.1 <= scores[1]:
        title = "Why phase 1 alone is near zero"
    elif scores[1] > scores[0]:
        title = "What phase 2 adds"
    else:
        title = "The first two phases, on one problem"
    return {"title": title, "prompt": known[telling]["prompt"], "cards": cards, "chances": _chances(first, second)}


def _chances(first: Checkpoint, second: Checkpoint) -> list[float] | None:
    """The chance that each gives the right next token of an exercise: exp(-loss), the geometric mean."""
    losses = [model.scores.get("validation_loss", {}).get(EXERCISES) for model in (first, second)]
    return None if None in losses else [exp(-loss) for loss in losses]


def _kinds(models: Sequence[Checkpoint]) -> dict[str, Any] | None:
    """For each checkpoint with answers, how many were right and how the others failed."""
    bars: list[dict[str, Any]] = []
    for model in models:
        counted = Counter(why_wrong(one["wrong"]) for one in model.attempts)
        if counted:
            bars.append({"title": model.title, "total": len(model.attempts), "counts": _known(counted)})
    used = [(colour, kind) for colour, kind in enumerate(KINDS) if any(bar["counts"].get(kind) for bar in bars)]
    return {"bars": bars, "used": used} if bars else None


def _known(counted: Mapping[str, int]) -> dict[str, int]:
    return {kind: counted[kind] for kind in KINDS if counted.get(kind)}
