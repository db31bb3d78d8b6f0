"""The suite's results for people: a table in a terminal of 80 columns, and depth against length as a heat map."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.text import Text

from hornbook.display import FigureTable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = ("#a50f15", "#fc9272", "#fee8a8", "#a1d99b", "#238b45")  # nothing found ... all found


def long_table(figures: Mapping[str, Any]) -> RenderableType:
    """Scores by task and length with their average; depth against length, over all needles; what was left out."""
    lengths = sorted({result["length"] for result in figures["grid"]})
    parts: list[RenderableType] = []
    if lengths:
        parts.append(_scores(figures, lengths))
        parts.append(Text(_legend(figures), style="dim"))
    found = by_depth(figures["grid"])
    if found:
        parts += [Text(""), _grid(next(iter(found)) if len(found) == 1 else "needles", averaged(found))]
    parts += [Text(line, style="dim") for line in _left_out(figures["skipped"])]
    return Group(*parts)


def _table(first: str, lengths: list[int]) -> FigureTable:
    table = FigureTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(first, no_wrap=True)
    for length in lengths:
        table.add_column(in_tokens(length), justify="right", no_wrap=True)
    return table


def _scores(figures: Mapping[str, Any], lengths: list[int]) -> FigureTable:
    table = _table("found", lengths)
    for task, row in figures["tasks"].items():
        table.add_row(task, *(_percent(row.get(str(length))) for length in lengths))
    average = figures["average"]
    table.add_row("average", *(_percent(average.get(str(length))) for length in lengths), style="bold")
    return table


def _percent(cell: Mapping[str, Any] | None) -> str:
    return "" if cell is None else f"{cell['score']:.0%}"


def _legend(figures: Mapping[str, Any]) -> str:
    found = [cell for row in figures["tasks"].values() for cell in row.values()]
    widest = max(high - low for low, high in (cell["interval"] for cell in found))
    counts = {cell["n"] for cell in found}
    prompts = f"{min(counts)}" if len(counts) == 1 else f"{min(counts)} to {max(counts)}"
    return (
        f"Share of what was asked for that the answers hold, {figures['asked']}. Prompts for each\n"
        f"figure: {prompts}. The widest 95% interval is {widest:.0%} wide; the JSON has all intervals."
    )


def _grid(task: str, grid: Mapping[tuple[float, int], float]) -> FigureTable:
    lengths = sorted({length for _, length in grid})
    table = _table(f"{task} by depth", lengths)
    for depth in sorted({depth for depth, _ in grid}):
        cells = (f"{grid[depth, length]:.0%}" if (depth, length) in grid else "" for length in lengths)
        table.add_row(f"{depth:g}%", *cells)
    return table


def _left_out(skipped: list[dict[str, Any]]) -> list[str]:
    return [
        f"Not asked: {one['task']}" + (f" at {one['length']:,} tokens" if one["length"] else "") + f": {one['why']}"
        for one in skipped
    ]


def draw(axes: Axes, grid: Mapping[tuple[float, int], float], title: str) -> None:
    """Draw one task's grid, score by (depth in percent, length in tokens), onto `axes`; every cell says its score."""
    from matplotlib.colors import LinearSegmentedColormap

    depths = sorted({depth for depth, _ in grid})
    lengths = sorted({length for _, length in grid})
    missing = float("nan")
    table = [[grid.get((depth, length), missing) for length in lengths] for depth in depths]
    colours = LinearSegmentedColormap.from_list("found", list(_COLOURS))
    axes.imshow(table, vmin=0, vmax=1, cmap=colours, aspect="auto")
    for row, depth in enumerate(depths):
        for column, length in enumerate(lengths):
            if (depth, length) in grid:
                score = grid[depth, length]
                ink = "white" if score < 0.15 or score > 0.9 else "black"
                axes.text(column, row, f"{score:.0%}", ha="center", va="center", fontsize=8, color=ink)
    axes.set_xticks(range(len(lengths)), [in_tokens(length) for length in lengths])
    axes.set_yticks(range(len(depths)), [f"{depth:g}%" for depth in depths])
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.set_title(title)
    axes.set_xlabel("length in tokens")
    axes.set_ylabel("depth")


def svg(figures: Mapping[str, Any]) -> str:
    """A picture of every task whose depth was varied, one below the other; empty where there is none."""
    import matplotlib
    from matplotlib.figure import Figure

    found = by_depth(figures["grid"])
    if not found:
        return ""
    rows = max(len({depth for depth, _ in grid}) for grid in found.values())
    columns = max(len({length for _, length in grid}) for grid in found.values())
    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": "hornbook", "font.family": "DejaVu Sans", "font.size": 10}
    with matplotlib.rc_context(settings):
        size = (2 + 0.65 * max(columns, 4), len(found) * (1.1 + 0.3 * max(rows, 3)))
        drawn = Figure(figsize=size, layout="constrained")
        axes = drawn.subplots(len(found), 1, squeeze=False)
        for place, (task, grid) in enumerate(found.items()):
            draw(axes[place][0], grid, task)
        buffer = io.StringIO()
        drawn.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def by_depth(results: Sequence[dict[str, Any]]) -> dict[str, dict[tuple[float, int], float]]:
    """For each task whose depth is varied: score by (depth, length)."""
    found: dict[str, dict[tuple[float, int], float]] = {}
    for result in results:
        if result["depth"] is not None:
            found.setdefault(result["task"], {})[result["depth"], result["length"]] = result["score"]
    return found


def averaged(found: Mapping[str, Mapping[tuple[float, int], float]]) -> dict[tuple[float, int], float]:
    """The mean of several tasks' grids at each depth and length."""
    scores: dict[tuple[float, int], list[float]] = {}
    for grid in found.values():
        for place, score in grid.items():
            scores.setdefault(place, []).append(score)
    return {place: fmean(values) for place, values in scores.items()}


def in_tokens(length: int) -> str:
    """A length in few characters: 512, 1K, 128K."""
    return f"{length // 1024}K" if length % 1024 == 0 else str(length)
