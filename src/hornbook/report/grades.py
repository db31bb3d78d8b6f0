"""What the documents are worth: the teacher's grades, the classifier that learned them, a best and a worst text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hornbook.report import calibration, plots
from hornbook.report.checkpoints import Checkpoint
from hornbook.report.run import Run
from hornbook.report.wording import clip, count

EXAMPLES = 2

# Measure -> what it says, in the order of the table.
MEASURES = {
    "f1": "F1 of telling documents worth {threshold} or more from the rest",
    "precision": "of those it takes, how many the teacher would take",
    "recall": "of those the teacher would take, how many it takes",
    "exact": "the same grade",
    "within_one": "at most one grade apart",
    "kappa": "agreement beyond chance (Cohen's kappa, quadratic weights)",
    "macro_f1": "mean F1 of the single grades",
}


def view(run: Run, models: Sequence[Checkpoint]) -> dict[str, Any] | None:
    """Counts of grades, the histogram of scores, the classifier's agreement and calibration, examples."""
    figures = run.figures("grade")
    if not figures:
        return None
    grades: dict[str, int] = figures.get("grades", {})
    agreement = figures.get("agreement") or {}
    examples = figures.get("examples") or {}
    threshold = figures.get("threshold", 3)
    return {
        "figures": {key: figures.get(key) for key in ("documents", "graded", "held_out", "grader", "failed")},
        "grades": [{"grade": grade, "count": number} for grade, number in sorted(grades.items())],
        "most": max([*grades.values(), 1]),
        "histogram": _histogram(figures.get("histogram") or {}, threshold),
        "measures": [
            {"name": name.replace("_", " "), "says": says.format(threshold=threshold), **agreement[name]}
            for name, says in MEASURES.items()
            if name in agreement
        ],
        "threshold": threshold,
        "calibration": calibration.view(figures.get("calibration"), threshold),
        "cuts": calibration.cuts(figures.get("cuts")),
        "examples": [
            {
                "title": title,
                "rows": [{**row, "text": clip(row["text"], 14, 700)} for row in examples.get(key, [])[:EXAMPLES]],
            }
            for title, key in (("Graded highest", "best"), ("Graded lowest", "worst"))
            if examples.get(key)
        ],
    }


def _histogram(histogram: dict[str, Any], threshold: float) -> str | None:
    """Which share of each source's documents the classifier gives which score, as one plot."""
    counts: dict[str, list[int]] = {s: c for s, c in histogram.get("counts", {}).items() if sum(c)}
    edges: list[float] = histogram.get("edges", [])
    if not counts:
        return None
    # What does not get a colour of its own is drawn together.
    largest = sorted(counts, key=lambda source: (-sum(counts[source]), source))
    named = largest if len(largest) <= len(plots.SERIES) else largest[: len(plots.SERIES) - 1]
    series = {source: counts[source] for source in named}
    if rest := largest[len(named) :]:
        series[f"{len(rest)} more"] = [sum(column) for column in zip(*(counts[source] for source in rest), strict=True)]
    with plots.style():
        drawn, (axes,) = plots.figure(6, 2.8)
        for colour, (source, heights) in zip(plots.SERIES, series.items(), strict=False):
            shares = [height / sum(heights) for height in heights]
            axes.stairs(shares, edges, fill=True, color=plots.COLOURS[colour], alpha=0.25)
            axes.stairs(shares, edges, color=plots.COLOURS[colour], linewidth=1.5, label=source)
        axes.axvline(threshold, color=plots.COLOURS["ink"], linewidth=1, linestyle="--")
        axes.set(xlabel="score", ylabel="share of documents")
        axes.grid(visible=False, axis="x")
        axes.legend()
        told = ", ".join(f"{count(sum(heights))} of {source}" for source, heights in series.items())
        return plots.svg(drawn, "grades", f"Distribution of the classifier's scores from 0 to 5: documents {told}.")
