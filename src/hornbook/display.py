"""Figures for people: a count with its noun, and tables that lose none, however narrow the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Column, Table
from rich.text import Text

_UNBOUNDED = 100_000
_NARROWEST = 8  # characters of a column of words, before the table becomes a list


def plural(number: int, one: str, many: str = "") -> str:
    """1 problem, 2,000 problems; many: where it is not `one` and an s."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


class FigureTable(Table):
    """A table whose figures are there at any width. Columns that stand to the right hold figures.

    Where there is little room, words are folded; where there is too little for the figures, every row becomes a few
    lines, its words first and then each figure with its name.
    """

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """See `rich.console.RenderResult`."""
        if not self.columns or self._least(console, options) <= options.max_width:
            for column in self.columns:
                column.no_wrap = column.no_wrap or column.justify == "right"
                if column.max_width is None:  # else its header may be cut
                    column.overflow = "fold"
            yield from super().__rich_console__(console, options)
            return
        if self.title:
            yield self.render_title(console)
        for row in zip(*(column.cells for column in self.columns), strict=True):
            yield from self._listed(console, row, options.max_width)

    def render_title(self, console: Console) -> Text:
        """The title by itself."""
        title = self.title if isinstance(self.title, Text) else console.render_str(str(self.title), style="italic")
        return title.copy()

    def _least(self, console: Console, options: ConsoleOptions) -> int:
        """The narrowest width at which every figure is whole and words are still words."""
        unbounded = options.update(max_width=_UNBOUNDED)
        width = self._extra_width
        for column in self.columns:
            widest = max(Measurement.get(console, unbounded, cell).maximum for cell in (column.header, *column.cells))
            widest = min(widest, column.max_width or widest)
            whole = column.justify == "right" or column.no_wrap
            width += max(widest if whole else min(widest, _NARROWEST), column.width or 0) + self._padding_of(column)
        return width

    def _padding_of(self, column: Column) -> int:
        return self._get_padding_width(column._index)

    def _listed(self, console: Console, row: Sequence[RenderableType], width: int) -> Iterator[Text]:
        words: list[str] = []
        figures: list[str] = []
        for column, cell in zip(self.columns, row, strict=True):
            shown = cell.plain if isinstance(cell, Text) else console.render_str(str(cell)).plain
            header = column.header.plain if isinstance(column.header, Text) else str(column.header)
            if shown.strip():
                (figures if column.justify == "right" else words).append(
                    f"{header} {shown}".strip() if column.justify == "right" else shown
                )
        if words:
            yield Text(" · ".join(words), style="bold", overflow="fold")
        line = " "
        for figure in figures:
            if len(line) + len(figure) + 1 > width and line.strip():
                yield Text(line, overflow="fold")
                line = " "
            line += f" {figure},"
        if line.strip():
            yield Text(line.removesuffix(","), overflow="fold")
