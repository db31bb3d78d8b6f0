"""What facts that follow from nothing cost models of several sizes: the figures of the study `facts`, drawn.

hornbook study facts --into STUDY
python benchmarks/facts.py STUDY [--evidence docs/evidence/facts.parquet] [--picture docs/images/facts.svg]
python benchmarks/facts.py docs/evidence/facts.parquet

Keeps the study's figures, tells for each size and share what the loss of right bodies is against that without facts,
paired by seed with Student's 95% interval, which share is best, and where the loss crosses that of none.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from hornbook.amounts import count
from hornbook.files import whole
from hornbook.study.statistics import Paired, paired

Values = dict[str, dict[int, dict[int, float]]]  # by size, share in % and seed
COLOURS = ("#3b6ea5", "#c0562f", "#4f8a3c", "#7a5aa6")


def bodies(rows: list[dict[str, Any]]) -> Values:
    """Nats a right body, of the rows of a study's figures. Sizes and shares in their order."""
    found: Values = {}
    for row in rows:
        name = re.fullmatch(r"share(\d+)-(\w+)", row["arm"])
        if name and (row["checkpoint"], row["measure"]) == ("phase2", "body"):
            found.setdefault(name[2], {}).setdefault(int(name[1]), {})[row["seed"]] = row["value"]
    return {size: dict(sorted(found[size].items())) for size in sorted(found, key=count)}


def costs(by_share: Mapping[int, Mapping[int, float]]) -> dict[int, Paired]:
    """By share, the loss as a multiple of that without facts with the same seed, less 1."""
    base = by_share[0]
    return {
        share: paired([value / base[seed] - 1 for seed, value in by_seed.items() if seed in base])
        for share, by_seed in by_share.items()
    }


def crossing(found: Mapping[int, Paired]) -> float | None:
    """The largest share at which the loss comes back to that without facts, between those measured; None for never."""
    shares = [share for share in found if share]
    for low, high in reversed(list(pairwise(shares))):
        below, above = found[low].mean, found[high].mean
        if below <= 0 < above:
            return low + (high - low) * -below / (above - below)
    return None


def best(by_share: Mapping[int, Mapping[int, float]]) -> dict[int, int]:
    """By seed, the share of the lowest loss, of the seeds that every share has."""
    seeds = set.intersection(*(set(by_seed) for by_seed in by_share.values()))
    return {seed: min(by_share, key=lambda share: by_share[share][seed]) for seed in sorted(seeds)}


def draw(values: Values, place: Path) -> None:
    """The cost of each share by size, with intervals, the line of no cost, and crossings where there are any."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"svg.hashsalt": "hornbook", "svg.fonttype": "none", "font.size": 10}):
        figure = Figure(figsize=(6.4, 3.8), layout="constrained")
        axes = figure.subplots()
        axes.axhline(0, color="#555555", linewidth=1)
        for number, (size, by_share) in enumerate(values.items()):
            found, colour = costs(by_share), COLOURS[number % len(COLOURS)]
            places = [share + 0.5 * (number - 1) for share in found]
            axes.plot(
                places, [100 * one.mean for one in found.values()], "o-", color=colour, label=f"{size} parameters"
            )
            for x, one in zip(places, found.values(), strict=True):
                if one.low is not None and one.high is not None:
                    axes.plot([x, x], [100 * one.low, 100 * one.high], color=colour, linewidth=1.5)
            met = crossing(found)
            if met is not None:
                axes.plot([met], [0], "X", color=colour, markersize=10)
        axes.set_xlabel("facts, % of the tokens read")
        axes.set_ylabel("loss of right bodies against no facts, %")
        axes.legend(frameon=False)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        figure.savefig(place, format="svg", metadata={"Date": None, "Creator": None})


def main() -> None:
    """Read, tell, keep and draw."""
    parser = argparse.ArgumentParser(description="What facts cost models of several sizes.")
    parser.add_argument("figures", type=Path, help="the study's folder, or its figures")
    parser.add_argument("--evidence", type=Path)
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()
    source = given.figures / "figures.parquet" if given.figures.is_dir() else given.figures
    table = pq.read_table(source)
    values = bodies(table.to_pylist())
    for size, by_share in values.items():
        found = costs(by_share)
        for share, one in found.items():
            interval = "" if one.low is None or not share else f" (95% {one.low:+.1%} to {one.high:+.1%})"
            mean = sum(by_share[share].values()) / len(by_share[share])
            print(f"{size}, {share}% facts: {mean:.2f} nats a body, {one.mean:+.1%}{interval}, {one.count} seeds")
        met = crossing(found)
        told = ", ".join(f"{share}%" for share in best(by_share).values())
        print(f"{size}: best share by seed {told}; " + ("no crossing" if met is None else f"crossing at {met:.0f}%"))
    if given.evidence:
        with whole(given.evidence) as temporary:
            pq.write_table(table, temporary)
    if given.picture:
        draw(values, given.picture)


if __name__ == "__main__":
    main()
