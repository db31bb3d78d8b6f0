"""The same questions in chat, answered by the first checkpoint and by the last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hornbook.evaluate.questions import OWN
from hornbook.report.checkpoints import Checkpoint, last_trained
from hornbook.report.run import Run
from hornbook.report.wording import clip

LINES, CHARACTERS = 8, 420
QUESTIONS = "questions"


def view(run: Run, models: Sequence[Checkpoint]) -> dict[str, Any] | None:
    """Each question with both replies side by side, and how many of them each checkpoint has right."""
    asked = [model for model in models if model.answers.get(QUESTIONS)]
    last = last_trained(asked)
    if last is None:
        return None
    shown = [asked[0], last] if last is not asked[0] else [last]
    by_model = [{row["question"]: row for row in model.answers[QUESTIONS]} for model in shown]
    return {
        "scores": [{"title": model.title, **model.scores[QUESTIONS]} for model in asked],
        "own": any(OWN in model.scores[QUESTIONS] for model in asked),
        "questions": [
            {
                "question": question,
                "cards": [_card(model, rows[question]) for model, rows in zip(shown, by_model, strict=True)],
            }
            for question in by_model[-1]
            if all(question in rows for rows in by_model)
        ],
    }


def _card(model: Checkpoint, row: dict[str, Any]) -> dict[str, Any]:
    reply = clip(row["reply"], LINES, CHARACTERS) or "(nothing)"
    return {"title": model.title, "text": reply, "right": row["right"]}
