from __future__ import annotations

import re
from typing import Any

import pytest

from hornbook.corpus.grade.agreement import calibration as measured
from hornbook.report.report import report
from hornbook.report.sections.grades import calibration, cuts

CLAIMED = [0.05] * 10 + [0.55] * 4 + [0.95] * 6
TRUE = [False] * 9 + [True] + [True, True, False, False] + [True] * 6


@pytest.fixture
def figures_of_grade(figures: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return figures["grade"]


def test_the_plot_tells_what_was_claimed_and_what_was_true() -> None:
    view = calibration(measured(CLAIMED, TRUE), 3)
    assert view is not None
    assert view["documents"] == 20
    assert view["error"] == pytest.approx((10 * 0.05 + 4 * 0.05 + 6 * 0.05) / 20, abs=1e-4)
    assert "of 10 documents claimed at 5% 10%; of 4 documents claimed at 55% 50%" in view["plot"]
    assert view["plot"].count("<svg") == 1
    assert not re.search(r"#0[0-9a-f]{5}\b", view["plot"])  # every colour is the page's
    assert calibration(measured(CLAIMED, TRUE), 3) == view


@pytest.mark.parametrize("figures", [None, {"error": 0.0, "table": []}, measured([], [])])
def test_nothing_was_measured(figures: dict[str, Any] | None) -> None:
    assert calibration(figures, 3) is None


def test_cuts() -> None:
    assert cuts([0.5, 1.5, 6.0]) == [
        {"grade": 1, "score": 0.5}, {"grade": 2, "score": 1.5}, {"grade": 3, "score": None},
    ]  # fmt: skip
    assert cuts(None) == []


def test_the_page(make_run, figures, figures_of_grade, tmp_path) -> None:
    def page(name: str) -> str:
        report("a", "b", make_run(figures, f"run {name}"), into=tmp_path / name)
        return (tmp_path / name / "report.html").read_text(encoding="utf-8")

    title = "Whether its confidence can be trusted"
    figures_of_grade |= {"calibration": measured(CLAIMED, TRUE), "cuts": [0.6, 1.6, 2.5, 3.2, 6.0]}
    whole = page("whole")
    assert title in whole
    assert "5.0 points of a hundred" in whole
    assert "never: the teacher gave none" in whole
    del figures_of_grade["calibration"]
    assert title in page("cuts alone")
    del figures_of_grade["cuts"]
    assert title not in page("neither")
    del figures["grade"]
    assert title not in page("no grade")
