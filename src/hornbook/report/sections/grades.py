"""What the documents are worth: the teacher's grades, the classifier that learned them, a best and a worst text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hornbook.corpus.grade.agreement import doubts
from hornbook.display import plural
from hornbook.evaluate.benchmark import wilson_interval
from hornbook.report import plots
from hornbook.report.checkpoints import Checkpoint
from hornbook.report.run import Run
from hornbook.report.wording import clip, count, share

EXAMPLES = 2
TENTH = 0.1
HIGHEST = 5

# Measure -> what it says, in the order of the table.
MEASURES = {
    "kappa": "agreement beyond chance (Cohen's kappa, quadratic weights)",
    "always_yes": "the F1 that calling every document worth {threshold} or more would have",
    "f1": "F1 of telling documents worth {threshold} or more from the rest",
    "precision": "of those it takes, how many the teacher would take",
    "recall": "of those the teacher would take, how many it takes",
    "exact": "the same grade",
    "within_one": "at most one grade apart",
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
        "histogram": histogram(figures.get("histogram") or {}, threshold),
        "measures": [
            {"name": name.replace("_", " "), "says": says.format(threshold=threshold), **agreement[name]}
            for name, says in MEASURES.items()
            if name in agreement
        ],
        "threshold": threshold,
        "doubts": doubts(figures),
        "learned": figures.get("learned"),
        "calibration": calibration(figures.get("calibration"), threshold),
        "cuts": cuts(figures.get("cuts")),
        "examples": [
            {
                "title": title,
                "rows": [{**row, "text": clip(row["text"], 14, 700)} for row in examples.get(key, [])[:EXAMPLES]],
            }
            for title, key in (("Graded highest", "best"), ("Graded lowest", "worst"))
            if examples.get(key)
        ],
    }


def histogram(scores: dict[str, Any], threshold: float | None) -> str | None:
    """Which share of each source's documents has which score, as one plot, with a line at `threshold`."""
    counts: dict[str, list[int]] = {s: c for s, c in scores.get("counts", {}).items() if sum(c)}
    edges: list[float] = scores.get("edges", [])
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
            axes.stairs(shares, edges, color=plots.COLOURS[colour], linewidth=1.5, label=source or "(none)")
        if threshold is not None:
            axes.axvline(threshold, color=plots.COLOURS["ink"], linewidth=1, linestyle="--")
        axes.set(xlabel="score", ylabel="share of documents")
        axes.grid(visible=False, axis="x")
        axes.legend()
        told = ", ".join(f"{count(sum(heights))} of {source}" for source, heights in series.items())
        return plots.svg(drawn, "grades", f"Distribution of the classifier's scores from 0 to 5: documents {told}.")


def calibration(figures: dict[str, Any] | None, threshold: int) -> dict[str, Any] | None:
    """The plot, the expected calibration error and the number of documents; None where nothing was measured."""
    rows = [row for row in (figures or {}).get("table", []) if row["documents"]]
    if figures is None or not rows:
        return None
    documents = sum(row["documents"] for row in rows)
    return {"plot": _reliability(rows, threshold), "error": figures["error"], "documents": documents}


def cuts(scores: Sequence[float] | None) -> list[dict[str, Any]]:
    """For each grade from 1 on the score that counts as worth it; None where no score does."""
    return [
        {"grade": grade, "score": score if score <= HIGHEST else None} for grade, score in enumerate(scores or (), 1)
    ]


def _reliability(rows: Sequence[dict[str, Any]], threshold: int) -> str:
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
