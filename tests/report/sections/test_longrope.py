from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hornbook.report.report import environment
from hornbook.report.run import Run
from hornbook.report.sections import longrope
from hornbook.runs.manifest import Manifest

LENGTHS = [128, 256]
PERPLEXITY = {
    "none": [57.0, 58.0],
    "pi": [57.0, 66.0],
    "ntk": [57.0, 57.5],
    "yarn": [57.0, 65.0],
    "search": [57.0, 56.5],
    "extended": [49.0, 47.5],
}


def measured(**changes: list[float]) -> dict[str, Any]:
    curves = PERPLEXITY | changes
    return {
        "original": 128,
        "context": 256,
        "lengths": LENGTHS,
        "documents": 40,
        "perplexity": {
            name: [
                {"length": length, "perplexity": value, "low": value - 2, "high": value + 2, "beginning": value - 1}
                for length, value in zip(LENGTHS, values, strict=True)
            ]
            for name, values in curves.items()
        },
        "passkeys": {
            name: [
                {"length": length, "depth": depth, "found": found, "of": 10}
                for length in LENGTHS
                for depth in (0.0, 50.0)
            ]
            for name, found in (("none", 0), ("extended", 7))
        },
        "short": {"none": {"library": 4.0, "exercises": 0.4}, "extended": {"library": 3.9, "exercises": 0.406}},
    }


def run_of(figures: dict[str, Any]) -> Run:
    stages = {"measure": figures, "search": {"start_tokens": 0}, "extend": {"retrieval_share": 0.25}}
    manifests = {name: Manifest(name, "", {}, {}, "", values, 1.0, 1, {}) for name, values in stages.items()}
    return Run(dict.fromkeys(stages, Path()), manifests)


def page(figures: dict[str, Any]) -> str:
    view = longrope.view(run_of(figures), [])
    assert view is not None
    return environment().get_template("longrope.html").render(view=view)


def test_every_method_is_on_the_page_and_every_bar_is_judged() -> None:
    html = page(measured())
    assert all(title in html for title, *_ in longrope.METHODS.values())
    assert html.count("<svg") == 2
    assert html.count("✓") == 4 and "✗" not in html
    assert "28 of 40" in html and "0 of 40" in html
    assert "25% of the rows" in html
    assert html == page(measured())


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"extended": [47.0, 47.5]}, "is no worse than at 128"),
        ({"search": [57.0, 65.0]}, "beat YaRN's"),
    ],
)
def test_what_was_not_reached_is_said(changes: dict[str, list[float]], says: str) -> None:
    view = longrope.view(run_of(measured(**changes)), [])
    assert view is not None
    missed = [finding["says"] for finding in view["findings"] if not finding["held"]]
    assert any(says in text for text in missed)
    assert "not reached" in page(measured(**changes))


def test_a_source_that_lost_more_than_two_percent_is_seen_although_another_gained() -> None:
    figures = measured()
    figures["short"]["extended"]["exercises"] = 0.42
    view = longrope.view(run_of(figures), [])
    assert view is not None
    assert [finding["held"] for finding in view["findings"]] == [True, True, True, False]
    assert [round(row["change"], 3) for row in view["short"]] == [0.05, -0.025]


def test_a_run_without_a_longer_context_has_no_such_section() -> None:
    assert longrope.view(Run({}, {}), []) is None
