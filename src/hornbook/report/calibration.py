"""How far the classifier's probabilities can be trusted: what it claimed beside what turned out true."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hornbook.evaluate.benchmark import wilson_interval
from hornbook.report import plots
from hornbook.report.wording import plural, share

TENTH = 0.1
HIGHEST = 5


def view(figures: dict[str, Any] | None, threshold: int) -> dict[str, Any] | None:
    """The plot, the expected calibration error and the number of documents; None where nothing was measured."""
    rows = [row for row in (figures or {}).get("table", []) if row["documents"]]
    if figures is None or not rows:
        return None
    documents = sum(row["documents"] for row in rows)
    return {"plot": _plot(rows, threshold), "error": figures["error"], "documents": documents}


def cuts(scores: Sequence[float] | None) -> list[dict[str, Any]]:
    """For each grade from 1 on the score that counts as worth it; None where no score does."""
    return [
        {"grade": grade, "score": score if score <= HIGHEST else None} for grade, score in enumerate(scores or (), 1)
    ]


def _plot(rows: Sequence[dict[str, Any]], threshold: int) -> str:
    """The share that is true against the chance that was claimed, with Wilson's intervals; below, the documents.

    A reliability diagram (Guo et al. 2017).
    """
    claimed = [row["claimed"] for row in rows]
    true = [row["true"] for row in rows]
    counts = [row["documents"] for row in rows]
    ranges = [wilson_interval(row["true"] * row["documents"], row["documents"]) for row in rows]
    below = [max(0.0, value - low) for value, (low, _) in zip(true, ranges, strict=True)]
    above = [max(0.0, high - value) for value, (_, high) in zip(true, ranges, strict=True)]
    with plots.style():
        drawn, (trust, many) = plots.figure(5, 4.4, rows=2, ratios=[3.2, 1])
        trust.plot([0, 1], [0, 1], color=plots.COLOURS["faint"], linewidth=1, linestyle="--")
        trust.errorbar(
            claimed, true, yerr=[below, above], fmt="o", markersize=5, capsize=3, elinewidth=1.2,
            color=plots.COLOURS["two"],
        )  # fmt: skip
        trust.set(ylabel=f"share graded {threshold} or more", xlim=(-0.02, 1.02), ylim=(-0.04, 1.04))
        starts = [row["from"] for row in rows]
        many.bar(starts, counts, width=TENTH * 0.92, align="edge", color=plots.COLOURS["two"], alpha=0.35)
        for start, number in zip(starts, counts, strict=True):
            many.annotate(f"{number:,}", (start + TENTH / 2, number), ha="center", va="bottom", fontsize=8)
        many.set(xlabel=f"claimed chance of {threshold} or more", ylabel="documents", ylim=(0, 1.25 * max(counts)))
        many.grid(visible=False, axis="x")
        told = "; ".join(
            f"of {plural(row['documents'], 'document')} claimed at {share(row['claimed'])} {share(row['true'])}"
            for row in rows
        )
        return plots.svg(drawn, "calibration", f"Worth {threshold} or more: {told}.")
