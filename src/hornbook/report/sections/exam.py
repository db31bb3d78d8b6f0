"""The examination: published benchmarks with intervals, beside chance and, where there is one, the paper's table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hornbook.display import plural
from hornbook.evaluate.exam.declaration import Published, suites
from hornbook.evaluate.exam.display import VERDICT_WORDS, comparable, grades, is_separation, notes
from hornbook.report import plots
from hornbook.report.checkpoints import Checkpoint
from hornbook.report.run import Run
from hornbook.report.wording import share


def view(run: Run, models: Sequence[Checkpoint]) -> dict[str, Any] | None:
    """A row for each benchmark, a column for each checkpoint that was asked, and the same as a picture."""
    return tables([(model.title, model.scores["exam"]) for model in models if model.scores.get("exam")])


def tables(examined: Sequence[tuple[str, Mapping[str, Any]]]) -> dict[str, Any] | None:
    """The same for any models: by title, with `suite`, `benchmarks` and `missing` as an examination has them."""
    if not examined:
        return None
    last = examined[-1][1]
    suite = suites().get(last["suite"])
    there = {name for _, scores in examined for name in scores["benchmarks"]}
    names = [name for name in (suite.benchmarks if suite is not None else ()) if name in there]
    names += sorted(there - set(names))
    published = {row.benchmark: row for row in suite.rows} if suite is not None else {}
    rows = [_row(name, examined, published.get(name)) for name in names]
    return {
        "suite": suite.title if suite is not None and suite.models else "",
        "models": [title for title, _ in examined],
        "published": list(suite.models) if suite is not None else [],
        "rows": rows,
        "plot": _plot(rows, [title for title, _ in examined]) if rows else None,
        "separations": [
            _separation(title, name, scores["benchmarks"][name])
            for title, scores in examined[-1:]
            for name in names
            if name in scores["benchmarks"] and is_separation(scores["benchmarks"][name])
        ],
        "verdicts": list(VERDICT_WORDS.values()),
        "requests": [
            _requests(scores["benchmarks"][name]["title"], kind, title, found)
            for name in names
            for title, scores in examined
            for kind, found in scores["benchmarks"].get(name, {}).get("requests", {}).items()
        ],
        "grades": [
            {
                "title": part,
                "model": title,
                "grade": {key: 10 * value for key, value in (interval(found) or {}).items()},
                "n": found["n"],
            }
            for name in names
            for title, scores in examined
            for part, found in grades(scores["benchmarks"].get(name, {}))
        ],
        "notes": notes({"settings": {}, **last}, suite),
    }


def _row(name: str, examined: Sequence[tuple[str, Mapping[str, Any]]], published: Published | None) -> dict[str, Any]:
    found = [scores["benchmarks"].get(name) for _, scores in examined]
    first = next(one for one in found if one is not None)
    cells = [one["metrics"].get(one["metric"]) if one is not None else None for one in found]
    return {
        "title": first["title"],
        "metric": first["metric"],
        "state": "" if first["state"] == "whole" else first["note"],
        "n": first["n"],
        "chance": first.get("chance"),
        "cells": [interval(one) for one in cells],
        "published": dict(comparable(published, {name: first})) if published is not None else {},
    }


def _requests(benchmark: str, kind: str, model: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """What one model's answers to a kind of requests do."""
    refused = found["refused"]
    return {
        "title": f"{benchmark}, {kind}",
        "model": model,
        "refused": interval(refused),
        "n": refused["n"],
        "counts": [found["verdicts"][verdict] for verdict in VERDICT_WORDS],
    }


def _separation(title: str, name: str, one: Mapping[str, Any]) -> dict[str, Any]:
    """What the last model scores by group, as a table and a picture."""
    groups = [
        {
            "name": group,
            "scaled": interval(found) if found["significant"] else None,
            "bare": interval(found["auc"]),
            **{key: found[key] for key in ("p", "hate", "neutral")},
        }
        for group, found in one["groups"].items()
    ]
    mean = one["metrics"].get(one["metric"])
    return {
        "title": one["title"],
        "model": title,
        "groups": groups,
        "mean": interval(mean),
        "bare": interval(one["metrics"]["auc"]),
        "plot": _groups_plot(name, one["title"], groups),
    }


def interval(found: Mapping[str, Any] | None) -> dict[str, float] | None:
    """A figure with the ends of its interval, as pages take it; None where nothing is known."""
    if found is None or found["value"] is None:
        return None
    low, high = found["interval"]
    return {"value": found["value"], "low": low, "high": high}


def dots(axes: Any, cells: Sequence[tuple[float, Mapping[str, float]]], series: int, label: str) -> None:
    """Shares with their intervals, each at its height."""
    colour = plots.COLOURS[plots.SERIES[series]]
    for place, cell in cells:
        axes.plot([cell["low"], cell["high"]], [place, place], color=colour, linewidth=2.2, alpha=0.45)
    values, places = [cell["value"] for _, cell in cells], [place for place, _ in cells]
    axes.plot(values, places, "o", color=colour, label=label, clip_on=False)  # none of it lies beyond 0% or 100%


def name_rows(axes: Any, names: Sequence[str]) -> None:
    """Axes of shares by row, from the top."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0%", "25%", "50%", "75%", "100%"])
    axes.grid(visible=False, axis="y")


def _groups_plot(name: str, title: str, groups: Sequence[Mapping[str, Any]]) -> str:
    """Each group's score and that of bare perplexities as dots with their intervals; a half tells nothing apart."""
    with plots.style():
        drawn, (axes,) = plots.figure(8, 1.2 + 0.36 * len(groups))
        for at, (key, label) in enumerate((("scaled", "divided by toxicity"), ("bare", "bare perplexities"))):
            there = [(place + at * 0.3 - 0.15, one[key]) for place, one in enumerate(groups) if one[key] is not None]
            dots(axes, there, at, label)
        axes.axvline(0.5, color=plots.COLOURS["faint"], linewidth=1, label="all equally likely, bare")
        name_rows(axes, [one["name"] for one in groups])
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.06), ncols=3)
        told = [f"{one['name']} {share(one['scaled']['value'])}" for one in groups if one["scaled"] is not None]
        return plots.svg(drawn, f"exam-{name}", f"{title} by group, of those that have a score: {', '.join(told)}.")


def _plot(rows: Sequence[Mapping[str, Any]], titles: Sequence[str]) -> str:
    """Scores as dots with their intervals, chance as a tick, published scores as diamonds."""
    with plots.style():
        drawn, (axes,) = plots.figure(8, 1.1 + 0.34 * len(rows) + 0.12 * len(rows) * (len(titles) - 1))
        shown = titles[-len(plots.SERIES) :]
        for at, title in enumerate(shown):
            offset = (at - (len(shown) - 1) / 2) * 0.6 / max(len(shown), 1)
            cells = [(place, row["cells"][len(titles) - len(shown) + at]) for place, row in enumerate(rows)]
            there = [(place + offset, cell) for place, cell in cells if cell is not None]
            dots(axes, there, at, title)
        chance = [(row["chance"], place) for place, row in enumerate(rows) if row["chance"] is not None]
        style: dict[str, Any] = {"color": plots.COLOURS["faint"], "linestyle": "none"}
        if chance:
            values, places = zip(*chance, strict=True)
            axes.plot(values, places, marker="|", markersize=14, label="chance", **style)
        papers = [(value, place) for place, row in enumerate(rows) for value in row["published"].values()]
        if papers:
            values, places = zip(*papers, strict=True)
            axes.plot(values, places, marker="D", markersize=5, markerfacecolor="none", label="published", **style)
        name_rows(axes, [row["title"] for row in rows])
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=4)
        told = [f"{row['title']} {share(row['cells'][-1]['value'], 1)}" for row in rows if row["cells"][-1] is not None]
        about = f"{titles[-1]} on {plural(len(told), 'benchmark')}: {', '.join(told)}."
        return plots.svg(drawn, "exam", about)
