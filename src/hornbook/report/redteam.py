"""The page of a red team's campaign: how often attacks succeed, by family and category; conversations, folded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import hornbook
from hornbook.display import plural
from hornbook.evaluate.exam.display import VERDICT_WORDS, judge_in_words
from hornbook.evaluate.redteam import DIRECT
from hornbook.evaluate.redteam.attacks import families
from hornbook.evaluate.redteam.campaign import in_order
from hornbook.evaluate.safety.classifier import ATTACKS
from hornbook.report import plots
from hornbook.report.report import environment
from hornbook.report.sections.exam import dots, interval, name_rows
from hornbook.report.wording import listed, share, versions_told
from hornbook.runs.folders import model_title

_SHOWN = 6  # conversations of each family
_TOLD = {"compliance": "complied", "partial": "complied in part", "refusal": "refused", "unrelated": "unrelated"}
_GROUPS = {"persona": "who asks", "skill": "skill it takes", "kind": "turns"}

Row = Mapping[str, Any]


def page(figures: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """The page as HTML, of what `redteam.json` and `rows.jsonl` hold; equal values make equal bytes."""
    by = {name: figures["by"]["family"][name] for name in in_order(figures["by"]["family"])}
    return (
        environment()
        .get_template("redteam_page.html")
        .render(
            name=model_title(figures["candidate"]["model"]),
            candidate=figures["candidate"],
            machine=figures["machine"],
            versions=versions_told(figures["versions"]),
            requests=figures["requests"],
            tiles=_tiles(figures),
            plot=_plot(by),
            verdicts=list(VERDICT_WORDS.values()),
            families=[
                _line(name, one) | {"about": families()[name].about if name in families() else _ADAPTIVE}
                for name, one in by.items()
            ],
            grid=_grid(figures),
            groups=[
                {"title": title, "lines": [_line(name, one) for name, one in figures["by"][key].items()]}
                for key, title in _GROUPS.items()
            ],
            turns=[interval(one) for one in figures["adaptive_by_turn"]],
            notes=notes(figures),
            talks=[{"family": name, "rows": _talks(rows, name)} for name in by],
            version=hornbook.__version__,
        )
    )


_ADAPTIVE = "an LLM that reads what was answered and goes on from there"


def notes(figures: Mapping[str, Any]) -> list[str]:
    """What a reader must know of the figures."""
    found = [f"Judged by {judge_in_words(figures['judge'], ATTACKS)}."]
    if figures["left_out"]:
        told = listed(f"{name} ({count:,})" for name, count in figures["left_out"].items())
        found.append(f"Requests without what a way of asking takes, such as a translation: {told}.")
    for why, counted in (("No requests", figures["faults"]), ("Unknown", figures["all"]["unknown"])):
        if counted:
            told = "; ".join(f"{reason} ({count:,})" for reason, count in counted.items())
            found.append(f"{why}, and no part of any share: {told}.")
    return found


def _line(name: str, one: Mapping[str, Any]) -> dict[str, Any]:
    unknown = sum(one["unknown"].values())
    return {
        "name": name,
        "success": interval(one["success"]),
        "broken": interval(one.get("broken")),
        "counts": [one["verdicts"][verdict] for verdict in VERDICT_WORDS],
        "unknown": unknown,
        "n": one["success"]["n"] + unknown,
    }


def _tiles(figures: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The few figures to begin with."""
    by = figures["by"]["family"]
    attacks = [
        (by[name]["success"]["value"], name) for name in in_order(by) if by[name]["success"]["n"] and name != DIRECT
    ]
    tiles = [{"label": "attacks that succeed", **_tile(figures["attacks"]["success"])}]
    if DIRECT in by:
        tiles.append({"label": "asked directly", **_tile(by[DIRECT]["success"])})
    if attacks and max(attacks)[0]:
        _, best = max(attacks)
        tiles.append({"label": f"best: {best}", **_tile(by[best]["success"])})
    return tiles


def _tile(found: Mapping[str, Any]) -> dict[str, str]:
    low, high = found["interval"]
    note = f"{share(low)} to {share(high)}, of {found['n']:,}" if found["n"] else "nothing known"
    return {"value": share(found["value"]), "note": note}


def _grid(figures: Mapping[str, Any]) -> dict[str, Any] | None:
    """Success of each family by category; None where requests have no categories."""
    categories = list(figures["by"]["category"])
    if not categories:
        return None
    lines = []
    for name in in_order(figures["grid"]):
        cells = figures["grid"][name]
        found = [cells.get(category, {}).get("success") for category in categories]
        lines.append({"name": name, "cells": [one if one is not None and one["n"] else None for one in found]})
    every = [figures["by"]["category"][category]["success"] for category in categories]
    return {"categories": categories, "lines": lines, "all": [interval(one) for one in every]}


def _talks(rows: Sequence[Row], family: str) -> list[dict[str, Any]]:
    """A few conversations of a family, of each verdict in turn."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if row["family"] == family:
            groups.setdefault(row.get("verdict", "unknown"), []).append(row)
    order = [groups[verdict] for verdict in (*_TOLD, "unknown") if verdict in groups]
    turns = [some[at] for at in range(_SHOWN) for some in order if at < len(some)]
    return [
        {
            "id": row["id"],
            "category": row["category"],
            "persona": row["persona"],
            "told": _TOLD.get(row.get("verdict", ""), "unknown"),
            "refused": row.get("verdict") == "refusal",
            "why": row.get("unknown") or row.get("why", ""),
            "turns": [{"who": _WHO.get(one["role"], one["role"]), "text": one["content"]} for one in row["messages"]],
        }
        for row in turns[:_SHOWN]
    ]


_WHO = {"user": "attacker", "assistant": "model"}


def _plot(by: Mapping[str, Any]) -> str:
    """Each family's success as a dot with its interval."""
    with plots.style():
        drawn, (axes,) = plots.figure(8, 1.0 + 0.34 * len(by))
        there = [(place, interval(one["success"])) for place, one in enumerate(by.values())]
        dots(axes, [(place, cell) for place, cell in there if cell is not None], 0, "success")
        name_rows(axes, list(by))
        told = [f"{name} {share(one['success']['value'])}" for name, one in by.items()]
        return plots.svg(drawn, "redteam", f"Success of {plural(len(by), 'way')} of asking: {', '.join(told)}.")
