"""This run beside its control: what the weights that it went on from were worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hornbook.report.checkpoints import Checkpoint, checkpoints
from hornbook.report.run import Run

_TRAININGS = ("pretrain", "sft", "dpo")


def view(run: Run, models: Sequence[Checkpoint]) -> dict[str, Any] | None:
    """A row for each checkpoint that both runs have: pass@1 and the losses on held-out text, here and there."""
    if run.control is None:
        return None
    there = {model.name: model for model in checkpoints(run.control)}
    both = [(model, there[model.name]) for model in models if model.name in there]
    if not both:
        return None
    losses = [[model.scores.get("validation_loss") or {} for model in pair] for pair in both]
    return {
        "sources": sorted({source for here, other in losses for source in here.keys() & other.keys()}),
        "tokens": [trained_tokens(one) for one in (run, run.control)],
        "rows": [
            {
                "title": model.title,
                "scores": [one.scores["pass_at_1"] for one in (model, other)],
                "chat": [one.scores.get("chat", {}).get("pass_at_1") for one in (model, other)],
                "losses": pair,
            }
            for (model, other), pair in zip(both, losses, strict=True)
        ],
    }


def trained_tokens(run: Run) -> int:
    """Tokens that all trainings of a run read, padding apart, each as often as it was read."""
    told = [run.figures(stage).get("tokens", 0) for stage in _TRAININGS]
    return sum(sum(one.values()) if isinstance(one, dict) else one for one in told)
