"""What the teacher wrote as sources: how many of each, samples with their seeds, and how much they differ."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from hornbook.documents import is_corpus, read_rows
from hornbook.report import plots
from hornbook.report.checkpoints import Checkpoint
from hornbook.report.run import Run
from hornbook.report.wording import clip, share

SAMPLES = 2

# Measure -> what it says. Of the first ones more means more different, of the last one less.
MEASURES = {
    "distinct_1_grams": "different words",
    "distinct_2_grams": "different pairs",
    "distinct_3_grams": "different triples",
    "compression_ratio": "size compressed",
    "near_duplicates": "near duplicates",
}


def view(run: Run, models: Sequence[Checkpoint]) -> dict[str, Any] | None:
    """For each source its figures, coverage of the seeds, the plot of its diversity, and samples."""
    written: dict[str, dict[str, Any]] = run.figures("texts").get("texts", {})
    if not written:
        return None
    return {"sources": [_source(run, name, figures) for name, figures in sorted(written.items())]}


def _source(run: Run, name: str, figures: dict[str, Any]) -> dict[str, Any]:
    diversity = figures["diversity"]
    return {
        "name": name,
        "figures": figures,
        "removed": sorted(figures["removed"].items()),
        "coverage": [{"seed": seed, **part} for seed, part in sorted(figures["coverage"].items()) if part["of"]],
        "plot": _plot(name, diversity) if diversity["drawn"]["texts"] else None,
        "texts": diversity["drawn"]["texts"],
        "compared": "fixed" in diversity,
        "samples": _samples(run, name),
    }


def _plot(name: str, diversity: Mapping[str, Mapping[str, float]]) -> str:
    """Bars for each measure: texts with drawn seeds, and those of one fixed prompt beside them."""
    titles = {"drawn": "drawn seeds", "fixed": "one fixed prompt"}
    colours = {"drawn": "one", "fixed": "two"}
    with plots.style():
        drawn, (axes,) = plots.figure(7, 2.6)
        height = 0.8 / len(diversity)
        for place, (which, values) in enumerate(diversity.items()):
            rows = [row + place * height for row in range(len(MEASURES))]
            shares = [100 * values[measure] for measure in MEASURES]
            axes.barh(rows, shares, height, color=plots.COLOURS[colours[which]], label=titles[which])
        axes.set(xlabel="percent", xlim=(0, None))
        middle = height * (len(diversity) - 1) / 2
        axes.set_yticks([row + middle for row in range(len(MEASURES))], list(MEASURES.values()))
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.legend()
        told = "; ".join(
            f"{titles[which]}: " + ", ".join(f"{title} {share(values[key], 1)}" for key, title in MEASURES.items())
            for which, values in diversity.items()
        )
        return plots.svg(drawn, f"diversity-{name}", f"Diversity of {name}. {told}.")


def _samples(run: Run, name: str) -> list[dict[str, Any]]:
    """The first documents of a source with what was drawn for them."""
    if "texts" not in run.folders or not is_corpus(run.folders["texts"] / name):
        return []
    rows = islice(read_rows(run.folders["texts"] / name, ["text", "seeds"]), SAMPLES)
    return [{"text": clip(row["text"], 40, 1_500), "seeds": _seeds(row["seeds"])} for row in rows]


def _seeds(written: str) -> list[tuple[str, str]]:
    seeds: dict[str, Any] = json.loads(written)
    return [(key, str(value)) for key, value in sorted(seeds.items()) if value not in ("", None)]
