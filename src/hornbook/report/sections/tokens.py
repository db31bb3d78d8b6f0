"""How text is cut into tokens, and what the phases of pretraining were mixed from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hornbook.report.checkpoints import Checkpoint
from hornbook.report.run import Run

PIECES = 90


def view(run: Run, models: Sequence[Checkpoint]) -> dict[str, Any] | None:
    """A sample of each source in its tokens, and the mixture of each phase."""
    figures = run.figures("tokens")
    if not figures:
        return None
    cut: dict[str, list[str]] = run.json("tokens", "examples.json", {})
    facts = {**figures.get("validation", {})}
    return {
        "vocabulary": figures.get("vocabulary"),
        "characters": figures.get("tokenizer_characters"),
        "samples": [
            {
                "source": source,
                "pieces": [_visible(piece) for piece in pieces[:PIECES]],
                "more": len(pieces) > PIECES,
                "ratio": facts.get(source, {}).get("characters_per_token"),
            }
            for source, pieces in sorted(cut.items())
            if pieces
        ],
        "phases": [
            {"title": run.titles.get(name, name), "parts": _mixture(run, name, parts)}
            for name, parts in sorted(figures.get("phases", {}).items())
        ],
        "validation": [{"source": source, **values} for source, values in sorted(facts.items())],
    }


def _visible(piece: str) -> str:
    """A piece with its line breaks marked; an empty one as what it stands for."""
    return piece.replace("\n", "⏎\n") or "∅"


def _mixture(run: Run, phase: str, parts: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was packed, with what training read of it where it has run: share of the rows, epochs."""
    trained = run.figures("pretrain").get("mixture", {}).get(phase, [])
    rows = sum(part["rows"] for part in trained)
    mixed = []
    for index, part in enumerate(parts):
        known = index < len(trained) and rows > 0
        least = _minimum_score(run, phase, index)
        mixed.append(
            {
                **part,
                "name": " + ".join(part["sources"]),
                "least": least,
                "share_read": trained[index]["rows"] / rows if known else part["share"],
                "epochs": trained[index]["epochs"] if known else None,
            }
        )
    for part in trained[len(parts) :]:  # what the model wrote itself
        name, share = " + ".join(part["sources"]), part["rows"] / rows
        mixed.append({**part, "name": name, "share_read": share, "least": None, "padding": None})
    return mixed


def _minimum_score(run: Run, phase: str, index: int) -> float | None:
    """The score that documents had to reach; None where all could come in."""
    mixture = run.settings("tokens").get("phases", {}).get(phase, {}).get("mixture", [])
    return (mixture[index].get("minimum_score") or None) if index < len(mixture) else None
