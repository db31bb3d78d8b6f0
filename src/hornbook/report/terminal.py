"""What the terminal shows of a run, at most 80 columns wide: the score table, and what went into pretraining."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from textwrap import wrap
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from hornbook.display import FigureTable
from hornbook.evaluate.evaluate import BENCHMARKS

WIDTH = 80
_GAP = 2
_LONGEST = 12
_NUMBERS = ("asked", "read", "tokens", "documents", "times")  # columns of the mixture


def score_table(figures: dict[str, Any], titles: Mapping[str, str]) -> RenderableType:
    """One row a checkpoint: the columns of each benchmark, then validation losses by source; and a legend.

    `figures` are those of `collect`, `titles` what the run calls its checkpoints.
    """
    scores = figures["scores"]
    names = [*(name for name in titles if name in scores), *sorted(scores.keys() - titles.keys())]
    columns = ("after", *(column for one in BENCHMARKS for column in one.columns))
    rows = [
        (titles.get(name, name)[:_LONGEST], *(cell for one in BENCHMARKS for cell in one.cells_of(scores[name])))
        for name in names
    ]
    sources = sorted({source for name in names for source in scores[name].get("validation_loss") or {}})
    left = WIDTH - sum(max(len(cell) for cell in column) + _GAP for column in zip(columns, *rows, strict=True))
    shown = _fitting(sources, left)

    table = FigureTable(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="dim")
    for column in columns:
        style = "bold" if column == "pass@1" else ""
        table.add_column(column, justify="left" if column == "after" else "right", style=style, no_wrap=True)
    for source in shown:
        table.add_column(source, justify="right", no_wrap=True, max_width=_LONGEST)
    for name, row in zip(names, rows, strict=True):
        losses = scores[name].get("validation_loss") or {}
        table.add_row(*row, *(f"{losses[source]:.2f}" if source in losses else "" for source in shown))
    return Group(Text("What each step did", style="italic"), table, Text(_legend(shown, sources), style="dim"))


def _fitting(sources: list[str], width: int) -> list[str]:
    """The first sources whose columns fit into `width`."""
    shown = []
    for source in sources:
        width -= max(min(len(source), _LONGEST), 4) + _GAP
        if width < -_GAP:
            break
        shown.append(source)
    return shown


def _legend(shown: list[str], sources: list[str]) -> str:
    lines = wrap("; ".join(one.legend for one in BENCHMARKS if one.legend) + ".", WIDTH - 1)
    if shown:
        rest = f", {len(sources) - len(shown)} more in the report" if len(shown) < len(sources) else ""
        lines.append(f"Right of that: loss on held-out text by source{rest}.")
    return "\n".join(lines)


def mixture_table(figures: dict[str, Any], titles: Mapping[str, str]) -> FigureTable | None:
    """One row an ingredient: the share that was asked for and the one that was read; None before the tokens stage.

    `figures` are those of `collect`, `titles` the run's. `times`: how often its documents were read.
    """
    phases = figures["stages"].get("tokens", {}).get("phases")
    if not phases:
        return None
    trained = figures["stages"].get("pretrain", {}).get("mixture", {})
    table = FigureTable(
        title="What went in", title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim"
    )
    for column in ("phase", "sources", "which", *_NUMBERS):
        table.add_column(column, justify="right" if column in _NUMBERS else "left")
    for phase, asked in sorted(phases.items()):
        for row in _mixture_rows(asked, trained.get(phase, [])):
            table.add_row(titles.get(phase, phase), *row)
    return table


def _mixture_rows(asked: list[dict[str, Any]], read: list[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    """Rows without the phase. What training read is missing until it has run."""
    total = sum(part["rows"] for part in read)
    for index, part in enumerate(asked):
        found = read[index] if index < len(read) and total else None
        yield (
            " + ".join(part["sources"]),
            _which(part),
            f"{part['share']:.1%}",
            f"{found['rows'] / total:.1%}" if found else "",
            f"{found.get('tokens', part['tokens']) if found else part['tokens']:,}",
            f"{part['documents']:,}",
            f"{found['epochs']:.2f}" if found else "",
        )
    for part in read[len(asked) :]:  # what the model wrote itself
        share = f"{part['rows'] / total:.1%}"
        yield " + ".join(part["sources"]), "", "", share, f"{part['tokens']:,}", "", f"{part['epochs']:.2f}"


def _which(part: dict[str, Any]) -> str:
    """What its documents had to be: `3.5 ≤ score ≤ 5, en`; empty where all could come in."""
    least, most = part.get("minimum_score") or None, part.get("maximum_score")
    words = []
    if least is not None or most is not None:
        words.append((f"{least:g} ≤ " if least is not None else "") + "score" + (f" ≤ {most:g}" if most else ""))
    if part.get("languages"):
        words.append(" ".join(part["languages"]).replace("!", "not "))
    return ", ".join(words)
