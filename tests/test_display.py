"""Tables keep every figure at any width."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from hornbook.display import FigureTable, plural

ROWS = (
    ("phase 1", "library", "score ≥ 2", "80.0%", "79.9%", "1,234,567"),
    ("phase 2", "exercises + tasks", "", "96.0%", "96.1%", "77,021"),
)
FIGURES = [cell for row in ROWS for cell in row[3:]]


def table() -> FigureTable:
    made = FigureTable(title="What went in", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("phase", "sources", "which", "asked", "read", "tokens"):
        made.add_column(column, justify="right" if column in ("asked", "read", "tokens") else "left")
    for row in ROWS:
        made.add_row(*row)
    return made


def shown(width: int) -> str:
    screen = Console(file=io.StringIO(), width=width)
    screen.print(table())
    written: str = screen.file.getvalue()  # type: ignore[attr-defined]
    return written


@pytest.mark.parametrize("width", [20, 30, 40, 60, 80, 200])
def test_every_figure_is_there_at_any_width(width: int) -> None:
    output = shown(width)
    assert all(figure in output for figure in FIGURES)
    assert "…" not in output
    assert max(map(len, output.splitlines())) <= width
    assert all(word in output for word in ("phase 1", "library", "exercises", "tasks"))


def test_a_table_becomes_a_list_only_where_it_must() -> None:
    assert "asked" in shown(80).splitlines()[1]
    assert shown(30).splitlines()[1:4] == [
        "phase 1 · library · score ≥ 2",
        "  asked 80.0%, read 79.9%,",
        "  tokens 1,234,567",
    ]


@pytest.mark.parametrize(
    ("number", "nouns", "told"),
    [(1, ("problem",), "1 problem"), (0, ("row",), "0 rows"), (2_000, ("family", "families"), "2,000 families")],
)
def test_a_count_has_the_noun_that_it_wants(number: int, nouns: tuple[str, ...], told: str) -> None:
    assert plural(number, *nouns) == told
