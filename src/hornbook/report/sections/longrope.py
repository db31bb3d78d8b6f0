"""A longer context: perplexity against length for every method, and passkeys by depth and length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hornbook.report import plots
from hornbook.report.checkpoints import Checkpoint
from hornbook.report.run import Run
from hornbook.report.wording import count, decimal, share

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Method -> how it is called, its colour, its line and its marker.
METHODS = {
    "none": ("not extended", "faint", ":", "o"),
    "pi": ("position interpolation", "four", "--", "v"),
    "ntk": ("NTK-aware", "three", "--", "s"),
    "yarn": ("YaRN", "two", "--", "D"),
    "search": ("LongRoPE search alone", "one", "--", "^"),
    "extended": ("search and mid-training", "one", "-", "o"),
}
KEPT = 0.02  # a short context counts as kept while its loss grows by no more than this
Curves = Mapping[str, Sequence[Mapping[str, float]]]


def view(run: Run, models: Sequence[Checkpoint]) -> dict[str, Any] | None:
    """Both plots, the figures behind the first, and what the short context has lost."""
    figures = run.figures("measure")
    curves: Curves = figures.get("perplexity") or {}
    if not curves or "extended" not in curves:
        return None
    lengths = figures["lengths"]
    with plots.style():
        drawn = [_perplexity(curves, lengths)]
        if figures.get("passkeys", {}).get("extended"):
            drawn.append(_passkeys(figures["passkeys"]))
    return {
        "times": f"{figures['context'] / figures['original']:g}",
        "original": figures["original"],
        "context": figures["context"],
        "documents": figures["documents"],
        "lengths": lengths,
        "plots": drawn,
        "rows": [
            {"title": METHODS[name][0], "cells": [_interval(point) for point in curves[name]]}
            for name in METHODS
            if name in curves
        ],
        "findings": list(_findings(figures, curves)),
        "short": _short(figures.get("short", {})),
        "start_tokens": run.figures("search").get("start_tokens", 0),
        "retrieval": share(run.figures("extend").get("retrieval_share") or 0.0),
    }


def _interval(point: Mapping[str, float]) -> dict[str, str]:
    return {
        "perplexity": decimal(point["perplexity"], 1),
        "interval": f"{decimal(point['low'], 1)}–{decimal(point['high'], 1)}",
    }


def _perplexity(curves: Curves, lengths: Sequence[int]) -> dict[str, Any]:
    drawn, (axes,) = plots.figure(10, 4.6)
    for name, (title, colour, line, marker) in METHODS.items():
        points = curves.get(name, [])
        axes.plot(
            [point["length"] for point in points],
            [point["perplexity"] for point in points],
            color=plots.COLOURS[colour],
            linestyle=line,
            marker=marker,
            markersize=4.5,
            linewidth=2.4 if name == "extended" else 1.5,
            label=title,
        )
    _logarithmic(axes, lengths)
    axes.set(xlabel="context in tokens", ylabel="perplexity")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3)
    last = {name: points[-1]["perplexity"] for name, points in curves.items()}
    told = ", ".join(f"{METHODS[name][0]} {decimal(value, 1)}" for name, value in last.items() if name in METHODS)
    caption = f"Perplexity on the same tokens, read in windows of each length. At {count(lengths[-1])}: {told}."
    return {
        "title": "Perplexity against length",
        "wide": True,
        "svg": plots.svg(drawn, "longrope-perplexity", caption),
        "caption": caption,
    }


def _logarithmic(axes: Axes, lengths: Sequence[int]) -> None:
    """Both axes logarithmic, with plain numbers where lengths are measured."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter, NullLocator

    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(list(lengths), [count(length) for length in lengths])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(MaxNLocator(nbins=7))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())


def _passkeys(passkeys: Mapping[str, Sequence[Mapping[str, float]]]) -> dict[str, Any]:
    cells = passkeys["extended"]
    lengths = sorted({int(cell["length"]) for cell in cells})
    depths = sorted({cell["depth"] for cell in cells})
    drawn, (axes,) = plots.figure(10, 3.4)
    for cell in cells:
        found = cell["found"] / cell["of"]
        column, row = lengths.index(int(cell["length"])), depths.index(cell["depth"])
        axes.bar(
            column,
            0.94,
            width=0.96,
            bottom=row - 0.47,
            color=plots.COLOURS["three"],
            alpha=0.06 + 0.64 * found,
            linewidth=0,
        )
        axes.text(column, row, share(found), ha="center", va="center", color=plots.COLOURS["ink"])
    axes.set_xticks(range(len(lengths)), [count(length) for length in lengths])
    axes.set_yticks(range(len(depths)), [f"{depth:g}%" for depth in depths])
    axes.set(xlabel="length in tokens", ylabel="text before the number")
    axes.set_xlim(-0.5, len(lengths) - 0.5)
    axes.set_ylim(len(depths) - 0.5, -0.5)
    axes.grid(visible=False)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    before = f"; before the extension it found {_total(passkeys['none'])}" if "none" in passkeys else ""
    caption = (
        "How often the model repeats a number of five digits that a text of this length names once, at this depth. "
        f"It finds {_total(cells)} in all{before}."
    )
    return {
        "title": "Passkeys by depth and length",
        "wide": True,
        "svg": plots.svg(drawn, "longrope-passkeys", caption),
        "caption": caption,
    }


def _total(cells: Sequence[Mapping[str, float]]) -> str:
    found, asked = sum(cell["found"] for cell in cells), sum(cell["of"] for cell in cells)
    return f"{found:.0f} of {asked:.0f}"


def _findings(figures: Mapping[str, Any], curves: Curves) -> list[dict[str, Any]]:
    """What was to be reached, whether it was, and the figures that say so."""
    context, original = count(figures["context"]), count(figures["original"])
    first, last = curves["extended"][0], curves["extended"][-1]
    found = [
        {
            "held": last["perplexity"] <= first["perplexity"],
            "says": f"After mid-training, perplexity at {context} tokens ({decimal(last['perplexity'], 1)}) is no "
            f"worse than at {original} ({decimal(first['perplexity'], 1)}).",
        },
        {
            "held": last["beginning"] <= first["beginning"],
            "says": f"The same holds for the documents' first tokens: the first {context} "
            f"({decimal(last['beginning'], 1)}) against the first {original} alone ({decimal(first['beginning'], 1)}).",
        },
    ]
    if "search" in curves and "yarn" in curves:
        search, yarn = curves["search"][-1]["perplexity"], curves["yarn"][-1]["perplexity"]
        gain = figures.get("search_gains", {}).get("yarn")
        sure = f": document by document {_nats(gain)} nats a token" if gain else ""
        found.append(
            {
                "held": search < yarn,
                "says": f"Without any training, the searched factors ({decimal(search, 1)}) beat YaRN's "
                f"({decimal(yarn, 1)}) at {context} tokens{sure}.",
            }
        )
    changes = [row["change"] for row in _short(figures.get("short", {}))]
    if changes:
        found.append(
            {
                "held": max(changes) <= KEPT,
                "says": f"The loss at {original} tokens stays within {share(KEPT)} of what it was, source by source.",
            }
        )
    return found


def _nats(gain: Mapping[str, float]) -> str:
    """A gain with its interval."""
    return f"{decimal(gain['gain'], 3)} ± {decimal((gain['high'] - gain['low']) / 2, 3)}"


def _short(losses: Mapping[str, Mapping[str, float]]) -> list[dict[str, Any]]:
    """The loss on short rows by source, before and after."""
    before, after = losses.get("none", {}), losses.get("extended", {})
    return [
        {
            "source": source,
            "before": before[source],
            "after": after[source],
            "change": after[source] / before[source] - 1,
        }
        for source in sorted(set(before) & set(after))
    ]
