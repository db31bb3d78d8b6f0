"""The script that draws the study of facts: pairs by seed, the best share, where the loss crosses that without facts."""

from __future__ import annotations

from pathlib import Path

import pytest

from .scripts import script

facts = script("facts")


def rows(**values: list[float]) -> list[dict[str, object]]:
    """Bodies of arms by seed from 1; share10_1M is the arm share10-1M."""
    return [
        {"arm": arm.replace("_", "-"), "seed": seed, "checkpoint": "phase2", "measure": "body", "value": value}
        for arm, found in values.items()
        for seed, value in enumerate(found, 1)
    ]


def test_costs_are_paired_and_the_crossing_lies_between() -> None:
    values = facts.bodies(rows(share0_1M=[10, 20], share20_1M=[9, 19], share0_60k=[5, 5], share40_1M=[11, 23]))
    assert list(values) == ["60k", "1M"]
    found = facts.costs(values["1M"])
    assert found[20].mean == pytest.approx(-0.075)
    assert found[40].mean == pytest.approx(0.125)
    assert facts.crossing(found) == pytest.approx(20 + 20 * 0.075 / 0.2)
    assert facts.best(values["1M"]) == {1: 20, 2: 20}
    assert facts.crossing(facts.costs(values["60k"])) is None


def test_it_draws(tmp_path: Path) -> None:
    values = facts.bodies(rows(share0_1M=[10, 20], share20_1M=[9, 19], share40_1M=[11, 23]))
    facts.draw(values, tmp_path / "a.svg")
    facts.draw(values, tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert "1M parameters" in (tmp_path / "a.svg").read_text()
