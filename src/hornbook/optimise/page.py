"""The page of an optimisation: which mixture, whether it is better, and how far the small models told the truth."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

import hornbook
from hornbook.display import plural
from hornbook.optimise.scores import OWN, PROPOSED
from hornbook.report import plots
from hornbook.report.report import environment
from hornbook.report.wording import share

_IN_WORDS = {
    "natural": "the natural mixture",
    "recipe": "the recipe's own",
    "random": "the best of the mixtures drawn at random",
    "proposed": "the proposed one",
}
_COLOURS = {"natural": "two", "recipe": "three", "random": "four", "proposed": "one"}


def page(result: Mapping[str, Any]) -> str:
    """The page as HTML, of what `optimise.json` holds; equal values make equal bytes."""
    described = result["machine"]
    return (
        environment(Path(__file__).parent)
        .get_template("optimise.html")
        .render(
            result=result,
            bars=sentences(result),
            mixtures=_mixtures(result),
            target=_target(result),
            predicted=_predicted(result),
            domains=[
                (domain["name"], domain["tokens"], [result["mixtures"][name][number] for name in _IN_WORDS])
                for number, domain in enumerate(result["domains"])
            ],
            columns=list(_IN_WORDS),
            beyond=beyond(result),
            drawn=len(result["mixtures"]) - len(_IN_WORDS),
            machine=f"{described.get('processor', '')}, {plural(described.get('cores', 0), 'core')}",
            version=hornbook.__version__,
        )
    )


def sentences(result: Mapping[str, Any]) -> list[tuple[bool | None, str]]:
    """What was found, each with whether it is well: the proposed mixture against the others, then the rankings."""
    told: list[tuple[bool | None, str]] = []
    for name, bar in result["bars"].items():
        if bar["low"] is None:
            by = f"loss {_percent(bar['mean'])} in the one seed, which tells nothing of chance"
            told.append((None, f"The proposed mixture and {_IN_WORDS[name]}: {by}."))
            continue
        by = (
            f"{_percent(bar['mean'])} (95% {_percent(bar['low'])} to {_percent(bar['high'])}; "
            f"{plural(bar['count'], 'seed')}, lower in {bar['wins']})"
        )
        well = True if bar["high"] < 0 else False if bar["low"] > 0 else None
        verdict = {True: "is better than", False: "is worse than", None: "and"}[well]
        ending = "" if well is not None else ": no difference seen"
        told.append((well, f"The proposed mixture {verdict} {_IN_WORDS[name]}{ending}, loss {by}."))
    for name, found in result["agreement"].items():
        if found["share"] is not None:
            told.append(
                (None, f"{name[0].upper()}{name[1:]} agree in {found['same']} of {found['pairs']} pairs of mixtures "
                 f"({share(found['share'])}).")
            )  # fmt: skip
    return told


def beyond(result: Mapping[str, Any]) -> list[str]:
    """Domains of which the proposed mixture has more than any that the law was fitted to, with both shares."""
    mixtures = result["mixtures"]
    fitted = [shares for name, shares in mixtures.items() if name not in (OWN, PROPOSED)]
    most = [max(shares) for shares in zip(*fitted, strict=True)]
    return [
        f"{domain['name']} ({share(mine)}; {share(other)} at most)"
        for domain, mine, other in zip(result["domains"], mixtures[PROPOSED], most, strict=True)
        if mine > other
    ]


def _percent(ratio: float) -> str:
    return f"{100 * ratio:+.2f}%".replace("-", "−")


def _mixtures(result: Mapping[str, Any]) -> str:
    """The share of each domain in the mixtures that matter; the drawn ones faint behind."""
    names = [domain["name"] for domain in result["domains"]]
    with plots.style():
        drawn, (axes,) = plots.figure(6.2, 1.3 + 0.5 * len(names))
        for name, shares in result["mixtures"].items():
            places = range(len(names))
            if name in _IN_WORDS:
                colour = plots.COLOURS[_COLOURS[name]]
                axes.plot([100 * one for one in shares], places, "o", color=colour, markersize=7, label=name, zorder=3)
            else:
                axes.plot([100 * one for one in shares], places, "|", color=plots.COLOURS["faint"], alpha=0.5)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlabel("% of the tokens")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=len(_IN_WORDS), borderaxespad=0)
        described = "; ".join(
            f"{name}: " + ", ".join(f"{domain} {share(one)}" for domain, one in zip(names, shares, strict=True))
            for name, shares in result["mixtures"].items()
            if name in _IN_WORDS
        )
        return plots.svg(drawn, "mixtures", f"Shares of each domain. {described}.")


def _target(result: Mapping[str, Any]) -> str:
    """Every seed of every mixture at the target's size."""
    names = [name for name in _IN_WORDS if any(name in told for told in result["target"].values())]
    with plots.style():
        drawn, (axes,) = plots.figure(6.2, 1.2 + 0.45 * len(names))
        axes.axvline(1, color=plots.COLOURS["line"], linewidth=1)
        for place, name in enumerate(names):
            values = [told[name] for told in result["target"].values() if name in told]
            colour = plots.COLOURS[_COLOURS[name]]
            axes.plot(values, [place] * len(values), "o", color=colour, markersize=6, alpha=0.7)
            mean = fmean(values)
            axes.plot([mean, mean], [place - 0.25, place + 0.25], color=plots.COLOURS["ink"], linewidth=2.2)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlabel("loss, as a multiple of the natural mixture's (lower is better)")
        axes.grid(visible=False, axis="y")
        return plots.svg(drawn, "target", "Loss at the target's size by mixture, a point for each seed.")


def _predicted(result: Mapping[str, Any]) -> str:
    """Each drawn mixture at the largest proxies' size: what the law says that never saw it, and what was measured."""
    measured = list(result["proxies"].values())[-1]
    told = {name: value for name, value in result["held_out"].items() if name in measured}
    with plots.style():
        drawn, (axes,) = plots.figure(4.6, 4.0)
        ends = [min([*told.values(), 1]), max([*told.values(), 1])]
        axes.plot(ends, ends, color=plots.COLOURS["line"], linewidth=1)
        for name, value in told.items():
            colour = plots.COLOURS["two" if name == "natural" else "one"]
            axes.plot([value], [measured[name]], "o", color=colour, markersize=5.5, alpha=0.75)
        axes.set_xlabel("predicted without it")
        axes.set_ylabel("measured")
        return plots.svg(drawn, "predicted", "Predicted and measured losses of the drawn mixtures.")
