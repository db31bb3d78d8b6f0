"""matplotlib figures as inline SVG whose colours come from the page, so that they fit both its themes."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# A drawing uses these colours; the page's SVG says var(--name) instead. No other figure may use them.
COLOURS = {
    "ink": "#010203",
    "faint": "#040506",
    "line": "#070809",
    "one": "#0a0b0c",
    "two": "#0d0e0f",
    "three": "#101112",
    "four": "#131415",
}
SERIES = ("one", "two", "three", "four")


@contextmanager
def style() -> Iterator[None]:
    """Draw inside this: the page's look, and the same bytes for the same figure."""
    import matplotlib

    settings: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "hornbook",
        "font.family": "DejaVu Sans",
        "font.size": 10,
        "text.color": COLOURS["ink"],
        "axes.labelcolor": COLOURS["faint"],
        "axes.edgecolor": COLOURS["line"],
        "axes.titlesize": 10,
        "axes.titlecolor": COLOURS["ink"],
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": COLOURS["line"],
        "grid.linewidth": 0.6,
        "xtick.color": COLOURS["faint"],
        "ytick.color": COLOURS["faint"],
        "legend.frameon": False,
        "lines.linewidth": 1.8,
    }
    with matplotlib.rc_context(settings):
        yield


def figure(width: float, height: float, rows: int = 1, ratios: list[float] | None = None) -> tuple[Figure, list[Axes]]:
    """A figure of `rows` plots over one x axis; width and height in inches of 72 points."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(width, height), layout="constrained")
    axes = drawn.subplots(rows, 1, sharex=True, squeeze=False, height_ratios=ratios)
    return drawn, [row[0] for row in axes]


def svg(drawn: Figure, name: str, description: str) -> str:
    """The figure as an `<svg>` element of any width, described for those who do not see it.

    `name` keeps its ids apart from those of the page's other figures.
    """
    from html import escape

    buffer = io.StringIO()
    drawn.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    box = re.search(r'viewBox="[^"]*"', text)
    body = text[text.index(">") + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'(href="|url\()#', rf"\1#{name}-", body).replace("xlink:href", "href")
    for colour, code in COLOURS.items():
        body = body.replace(code, f"var(--{colour})")
    body = "\n".join(line.strip() for line in body.strip().splitlines())
    opening = f'<svg class="plot" {box.group(0) if box else ""} role="img" aria-label="{escape(description)}">'
    return f"{opening}\n{body}"
