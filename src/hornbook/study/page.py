"""A study's page: what each arm brought, every seed visible, in one file that is whole in itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import hornbook
from hornbook.display import plural
from hornbook.report import plots
from hornbook.report.report import environment
from hornbook.report.wording import duration, listed
from hornbook.study.compare import comparable
from hornbook.study.measures import Measure, measure_of, title_of
from hornbook.study.settings import Study

_LONGEST = 24  # characters of an arm's name in a plot


def page(study: Study, result: Mapping[str, Any]) -> str:
    """The page as HTML, of what `study.json` holds; equal values make equal bytes."""
    failed = [one for one in result["runs"] if one["failed"] is not None]
    sections = [
        _section(study, number, one, result["titles"][one["checkpoint"]])
        for number, one in enumerate(result["comparisons"])
    ]
    described = result["machine"]
    return (
        environment(Path(__file__).parent)
        .get_template("study.html")
        .render(
            name=study.name or "study",
            study=study,
            sections=sections,
            failed=failed,
            arms=[(arm, _told(changed), _training(result["runs"], arm)) for arm, changed in study.arms.items()],
            size=f"{plural(len(study.arms), 'arm')}, each with {plural(len(study.seeds), 'seed')}",
            machine=f"{described.get('processor', '')}, {plural(described.get('cores', 0), 'core')}",
            several=len(study.arms) > 2,
            version=hornbook.__version__,
        )
    )


def _told(changed: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} = {_short(value)}" for key, value in changed.items()) or "nothing: the recipe as it is"


def _training(runs: Sequence[Mapping[str, Any]], arm: str) -> str:
    """How long an arm's stages trained, the mean of its seeds."""
    of_arm = [run["training"] for run in runs if run["arm"] == arm]
    stages = dict.fromkeys(stage for one in of_arm for stage in one)
    means = {stage: fmean(one[stage] for one in of_arm if stage in one) for stage in stages}
    return ", ".join(f"{stage} {duration(seconds)}" for stage, seconds in means.items())


def _short(value: Any) -> str:
    told = str(value)
    return told if len(told) <= 120 else f"{told[:119]}…"


def _section(study: Study, number: int, compared: Mapping[str, Any], title: str) -> dict[str, Any]:
    """One figure of one checkpoint: its plots, and a row for each arm."""
    measure, name = measure_of(compared["measure"]), title_of(compared["measure"])
    values: Mapping[str, Mapping[str, float]] = compared["values"]
    against = {one["arm"]: one for one in compared["arms"]}
    rows = [
        {
            "arm": arm,
            "base": arm == study.against,
            "mean": measure.shown(fmean(by_seed.values())),
            "seeds": [(seed, measure.shown(value)) for seed, value in by_seed.items()],
            "found": _difference(measure, against[arm]) if arm in against else None,
        }
        for arm, by_seed in values.items()
    ]
    return {
        "id": f"figure-{number}",
        "title": f"{name[0].upper()}{name[1:]}, after {title}" if name[0] != "p" else f"{name}, after {title}",
        "better": f"{measure.better} is better",
        "rows": rows,
        "unit": measure.unit,
        "sentences": [(one["verdict"], one["sentence"]) for one in compared["arms"]],
        "values": _values(f"values-{number}", name, measure, values),
        "differences": _differences(f"differences-{number}", study, measure, values, compared["arms"]),
    }


def _difference(measure: Measure, one: Mapping[str, Any]) -> dict[str, str]:
    told = {"verdict": one["verdict"], "worth": f"{measure.difference(one['worth'], signed=False)} {measure.unit}"}
    if not comparable(one):
        return told | dict.fromkeys(("mean", "interval", "p", "exact", "needed"), "–")
    interval = "–" if one["low"] is None else f"{measure.difference(one['low'])} to {measure.difference(one['high'])}"
    return told | {
        "mean": measure.difference(one["mean"]),
        "interval": interval,
        "p": "–" if one["p_holm"] is None else f"{one['p_holm']:.3f}",
        "exact": "–" if one["p_exact"] is None else f"{one['p_exact']:.3f}",
        "needed": "–" if one["seeds_needed"] is None else f"{one['seeds_needed']:,}",
    }


def _name(arm: str) -> str:
    return arm if len(arm) <= _LONGEST else f"{arm[: _LONGEST - 1]}…"


def _values(name: str, title: str, measure: Measure, values: Mapping[str, Mapping[str, float]]) -> str:
    """Every seed of every arm as a point, a line from arm to arm for each seed, and the arms' means."""
    scale = 100 if measure.kind == "share" else 1
    arms = list(values)
    with plots.style():
        drawn, (axes,) = plots.figure(5.2, 1.1 + 0.42 * len(arms))
        for seed in dict.fromkeys(seed for by_seed in values.values() for seed in by_seed):
            there = [(scale * values[arm][seed], place) for place, arm in enumerate(arms) if seed in values[arm]]
            x, y = zip(*there, strict=True)
            axes.plot(x, y, color=plots.COLOURS["faint"], linewidth=0.7, alpha=0.45, zorder=1)
            axes.plot(x, y, "o", color=plots.COLOURS["two"], markersize=6, alpha=0.75, zorder=2)
            axes.annotate(
                seed,
                there[0],
                (0, 7),
                textcoords="offset points",
                ha="center",
                fontsize=8,
                color=plots.COLOURS["faint"],
            )
        for place, by_seed in enumerate(values.values()):
            mean = scale * fmean(by_seed.values())
            axes.plot([mean, mean], [place - 0.25, place + 0.25], color=plots.COLOURS["ink"], linewidth=2.2, zorder=3)
        axes.set_yticks(range(len(arms)), [_name(arm) for arm in arms])
        axes.set_ylim(len(arms) - 0.5, -0.75)
        axes.set_xlabel(f"{title}, %" if measure.kind == "share" else title)
        axes.grid(visible=False, axis="y")
        described = "; ".join(
            f"{arm}: {listed(measure.shown(value) for value in by_seed.values())}" for arm, by_seed in values.items()
        )
        return plots.svg(drawn, name, f"{title} by arm and seed. {described}.")


def _differences(
    name: str,
    study: Study,
    measure: Measure,
    values: Mapping[str, Mapping[str, float]],
    arms: Sequence[Mapping[str, Any]],
) -> str | None:
    """Each arm's paired differences as points, their mean and its interval, around the line of no difference."""
    shown = [one for one in arms if comparable(one)]
    if not shown:
        return None
    base = values[study.against]
    with plots.style():
        drawn, (axes,) = plots.figure(5.2, 1.1 + 0.42 * (len(shown) + 1))
        axes.axvline(0, color=plots.COLOURS["ink"], linewidth=1)
        for place, one in enumerate(shown):
            points = [
                measure.amount(measure.scaled(values[one["arm"]][str(seed)]) - measure.scaled(base[str(seed)]))
                for seed in one["seeds"]
            ]
            axes.plot(points, [place] * len(points), "o", color=plots.COLOURS["two"], markersize=6, alpha=0.6)
            colour = plots.COLOURS["one"]
            if one["low"] is not None:
                ends = [measure.amount(one["low"]), measure.amount(one["high"])]
                axes.plot(ends, [place + 0.22] * 2, color=colour, linewidth=2.2, solid_capstyle="butt")
            axes.plot([measure.amount(one["mean"])], [place + 0.22], "D", color=colour, markersize=5.5)
        axes.set_yticks(range(len(shown)), [_name(one["arm"]) for one in shown])
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.set_xlabel(f"difference from {_name(study.against)}, {measure.unit} ({measure.better} is better)")
        axes.grid(visible=False, axis="y")
        described = " ".join(one["sentence"] for one in shown)
        return plots.svg(drawn, name, f"Paired differences from {study.against}. {described}")
