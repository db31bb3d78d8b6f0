"""The page of Break-Fix: over the rounds, how often attacks succeed, what is refused, and what ability is left."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import hornbook
from hornbook.display import plural
from hornbook.evaluate.exam.display import judge_in_words
from hornbook.evaluate.redteam import DIRECT
from hornbook.evaluate.redteam.campaign import in_order
from hornbook.evaluate.safety.classifier import ATTACKS
from hornbook.report import plots
from hornbook.report.report import environment
from hornbook.report.sections.exam import interval
from hornbook.report.wording import listed, share, versions_told
from hornbook.runs.folders import model_title

Found = Mapping[str, Any]
Curves = Mapping[str, Sequence[Found | None]]  # by name, a figure with its interval for each round, None where unknown

WAYS = {"held_out": "attacks never learnt from", "fixing": "attacks learnt from", DIRECT: "asked directly"}


def page(figures: Mapping[str, Any]) -> str:
    """The page as HTML, of what `fix.json` holds; equal values make equal bytes."""
    first, last = figures["rounds"][0], figures["rounds"][-1]
    return (
        environment(Path(__file__).parent)
        .get_template("fix.html")
        .render(
            name=model_title(figures["candidate"]["model"]),
            candidate=figures["candidate"],
            machine=figures["machine"],
            versions=versions_told(figures["versions"]),
            ways=figures["ways"],
            requests=figures["requests"],
            sentences=sentences(figures),
            tiles=_tiles(first, last),
            plots=[one for one in (_success(figures), _refused(figures), _ability(figures)) if one is not None],
            rounds=[_line(one) for one in figures["rounds"]],
            families=[
                {"name": name, "held_out": name in figures["ways"]["held_out"], "cells": cells}
                for name in in_order(first["success"]["by"])
                if (cells := [interval(one["success"]["by"].get(name)) for one in figures["rounds"]])
            ],
            look_alikes=figures["settings"]["look_alikes"],
            tokens=sum(one["tokens"] for one in figures["rounds"]),
            most=figures["settings"]["max_tokens"],
            notes=notes(figures),
            version=hornbook.__version__,
        )
    )


def notes(figures: Mapping[str, Any]) -> list[str]:
    """What a reader must know of the figures."""
    found = [f"Judged by {judge_in_words(figures['judge'], ATTACKS)}.", *figures["missing"]]
    if figures["faults"]:
        told = "; ".join(f"{reason} ({number:,})" for reason, number in figures["faults"].items())
        found.append(f"No requests: {told}.")
    return found


def sentences(figures: Mapping[str, Any]) -> list[str]:
    """What the rounds have come to, from the first model to the last one."""
    first, last = figures["rounds"][0], figures["rounds"][-1]
    told = []
    before, after = (one["success"]["held_out"] for one in (first, last))
    if before["value"] and after["n"]:
        apart = "apart" if after["interval"][1] < before["interval"][0] else "not apart"
        told.append(
            f"Attacks never learnt from succeed in {_with(after)}, before {_with(before)}: "
            f"{share(1 - after['value'] / before['value'])} less, the intervals are {apart}."
        )
    for title, one in _refusals(last):
        told.append(f"Refused of {title}: {_with(one)}, before {_with(dict(_refusals(first))[title])}.")
    calibrated = [one["calibration"] for one in figures["rounds"][1:] if one.get("calibration")]
    if any(one["taken"] < 1 for one in calibrated):
        each, most = "each" if len(calibrated) > 1 else "the", share(calibrated[-1]["most"])
        taken = listed([share(one["taken"]) for one in calibrated])
        told.append(
            f"Of what had been learnt by the end of {each} round {taken} was taken, so that at most {most} of other "
            "look-alikes are declined."
        )
    if last["ability"] is not None and last is not first:
        nats, right = (last["ability"]["all"][name] for name in ("nats", "right"))
        told.append(
            f"Right answers to {plural(last['ability']['all']['rows'], 'row')} are {_nats(nats['difference'])} nats "
            f"likelier ({_nats(nats['interval'][0])} to {_nats(nats['interval'][1])}), and "
            f"{share(right['after'], 1)} of the rows are answered right, before {share(right['before'], 1)}."
        )
    return told


def _with(found: Found) -> str:
    low, high = found["interval"]
    return f"{share(found['value'], 1)} ({share(low)}–{share(high)}) of {found['n']:,}"


def _nats(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def _refusals(one: Mapping[str, Any]) -> list[tuple[str, Found]]:
    """What of a round is refused, by what is asked."""
    refused = one["refused"]
    found = [("look-alikes never learnt from", refused["look_alikes"])]
    if "benchmark" in refused:
        title = refused["benchmark"]["title"]
        kinds = (("harmless", "safe"), ("harmful", "unsafe"))
        found += [
            (f"{title}, {word}", refused["benchmark"][kind]) for kind, word in kinds if kind in refused["benchmark"]
        ]
    return found


def _tiles(first: Mapping[str, Any], last: Mapping[str, Any]) -> list[dict[str, str]]:
    """The few figures to begin with."""
    named = [(WAYS["held_out"], first["success"]["held_out"], last["success"]["held_out"])]
    named += [(f"refused: {title}", dict(_refusals(first))[title], one) for title, one in _refusals(last)]
    return [
        {"label": title, "value": share(after["value"]), "note": f"before {share(before['value'])}, of {after['n']:,}"}
        for title, before, after in named
    ]


def _line(one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "round": one["round"],
        "rows": listed(f"{number:,} {kind}" for kind, number in sorted(one["rows"].items())) or "–",
        "broken": one.get("broken"),
        "harmless": one.get("harmless"),
        "tokens": one["tokens"],
        "success": {name: interval(one["success"][name]) for name in WAYS},
        "refused": [(title, interval(found)) for title, found in _refusals(one)],
        "ability": one["ability"]["all"] if one["ability"] is not None else None,
    }


def _success(figures: Mapping[str, Any]) -> dict[str, str]:
    curves = {title: [one["success"][name] for one in figures["rounds"]] for name, title in WAYS.items()}
    return _drawn("success", "Attacks that succeed", curves)


def _refused(figures: Mapping[str, Any]) -> dict[str, str]:
    titles = [title for title, _ in _refusals(figures["rounds"][0])]
    curves = {title: [dict(_refusals(one)).get(title) for one in figures["rounds"]] for title in titles}
    return _drawn("refused", "Requests that are refused", curves)


def _ability(figures: Mapping[str, Any]) -> dict[str, str] | None:
    if figures["rounds"][0]["ability"] is None:
        return None
    nats = [one["ability"]["all"]["nats"] for one in figures["rounds"]]
    curve = [{"value": one["difference"], "interval": one["interval"]} for one in nats]
    return _drawn("ability", "Nats by which right answers became likelier", {"all rows": curve}, _nats)


def _drawn(name: str, title: str, curves: Curves, told: Callable[[float], str] = share) -> dict[str, str]:
    """A curve over the rounds for each name, with the interval of each of its points."""
    with plots.style():
        drawn, (axes,) = plots.figure(6.2, 3.2)
        words = []
        for (label, points), series in zip(curves.items(), plots.SERIES, strict=False):
            colour = plots.COLOURS[series]
            there = [(at, one) for at, one in enumerate(points) if one is not None and one["value"] is not None]
            for at, one in there:
                axes.plot([at, at], one["interval"], color=colour, linewidth=2.2, alpha=0.4)
            axes.plot([at for at, _ in there], [one["value"] for _, one in there], "o-", color=colour, label=label)
            words.append(f"{label}: {', '.join(told(one['value']) for _, one in there)}")
        axes.set_xticks(range(len(next(iter(curves.values())))))
        axes.set_xlabel("round")
        axes.set_title(title)
        axes.yaxis.set_major_formatter(lambda value, _: told(value))
        if told is share:
            axes.set_ylim(-0.02, 1.02)
        else:
            axes.axhline(0, color=plots.COLOURS["faint"], linewidth=1)
        if len(curves) > 1:
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=len(curves))
        return {"title": title, "drawn": plots.svg(drawn, name, f"{title} by round. {'; '.join(words)}.")}
