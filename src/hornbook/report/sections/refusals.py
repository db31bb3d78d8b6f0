"""Requests that should be declined and requests that only sound like them, before and after DPO."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hornbook.report.checkpoints import Checkpoint
from hornbook.report.run import Run
from hornbook.report.wording import clip

EXAMPLES = 3


def view(run: Run, models: Sequence[Checkpoint]) -> dict[str, Any] | None:
    """For harmful and for harmless requests: rates of every checkpoint, and a few answers of two of them."""
    asked = [model for model in models if model.refusals]
    if not asked:
        return None
    pair = _pair(asked)
    groups = []
    for harmful, title in ((True, "Harmful requests"), (False, "Harmless requests that sound alike")):
        kind = "harmful" if harmful else "harmless"
        rates = [
            {
                "title": model.title,
                "rate": (model.scores.get("refusals") or {}).get(f"{kind}_refused"),
                "of": (model.scores.get("refusals") or {}).get(f"{kind}_refused_of"),
            }
            for model in asked
        ]
        groups.append({"title": title, "harmful": harmful, "rates": rates, "rows": _rows(pair, harmful)})
    return {"groups": groups, "titles": [model.title for model in pair]}


def _pair(asked: Sequence[Checkpoint]) -> list[Checkpoint]:
    """Before and after DPO where both are there, else the last two."""
    named = [model for model in asked if model.name in ("sft", "dpo")]
    return named if len(named) == 2 else list(asked[-2:])


def _rows(pair: Sequence[Checkpoint], harmful: bool) -> list[dict[str, Any]]:
    """A request of each pattern of outcomes first (declined by both, by one, by none), then more of them."""
    by_model = [{one["text"]: one for one in model.refusals if one["harmful"] is harmful} for model in pair]
    requests = [text for text in by_model[0] if all(text in answers for answers in by_model)]
    seen: set[tuple[bool, ...]] = set()
    first: list[str] = []
    others: list[str] = []
    for text in requests:
        pattern = tuple(answers[text]["refused"] for answers in by_model)
        (others if pattern in seen else first).append(text)
        seen.add(pattern)
    return [
        {
            "text": text,
            "answers": [
                {"text": clip(answers[text]["answer"], 6, 240) or "(nothing)", "refused": answers[text]["refused"]}
                for answers in by_model
            ],
        }
        for text in [*first, *others][:EXAMPLES]
    ]
