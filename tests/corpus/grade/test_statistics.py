from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from hornbook.corpus.grade.statistics import STATISTICS, statistics

TEXT = '''import os

# A comment.
def double(x):
    """Return x doubled."""
    # >>> is not an example here
    return 2 * x
'''


def of(text: str) -> dict[str, float]:
    return dict(zip(STATISTICS, statistics(text), strict=True))


def test_shares_of_lines() -> None:
    figures = of(TEXT)
    assert figures["imports"] == figures["definitions"] == figures["docstrings"] == 1 / 6
    assert figures["comments"] == 2 / 6
    assert figures["examples"] == figures["asserts"] == figures["repeated lines"] == 0
    assert figures["blank lines"] == 1 - 6 / 8


def test_tables_and_tests_look_different() -> None:
    table = of("table = [\n" + "    0x1f, 22, 33,\n" * 30 + "]\n")
    tests = of("    self.assertEqual(f(1), 2)\n" * 10)
    assert table["literals"] > 0.9
    assert table["numbers"] > 10 * of(TEXT)["numbers"]
    assert tests["asserts"] == 1
    assert tests["repeated lines"] == 0.9


@given(st.text())
def test_every_text_has_finite_figures(text: str) -> None:
    figures = statistics(text)
    assert len(figures) == len(STATISTICS)
    assert all(math.isfinite(figure) for figure in figures)
