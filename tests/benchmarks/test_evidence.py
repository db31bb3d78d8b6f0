"""What docs/evidence.md tells of studies is what their figures say."""

from __future__ import annotations

import json
from typing import Any

import pyarrow.parquet as pq
import pytest

from hornbook.errors import UserError
from hornbook.study.statistics import paired

from .scripts import script

evidence = script("evidence")
KEPT = sorted(path.stem for path in evidence.EVIDENCE.glob("*.html") if not path.stem.startswith("optimise-"))


def told(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((evidence.EVIDENCE / f"{name}.json").read_text())
    return found


@pytest.mark.parametrize("name", KEPT)
def test_the_page_tells_what_was_kept(name: str) -> None:
    page = evidence.PAGE.read_text()
    assert evidence.with_table(page, name, evidence.table(told(name))) == page
    assert f"evidence/{name}.html" in page
    finding = evidence.finding(told(name))
    assert json.loads(evidence.FOUND.read_text())[name] == finding
    assert finding["found"], "the report card has something to tell of it"


@pytest.mark.parametrize("name", KEPT)
def test_comparisons_follow_from_the_figures(name: str) -> None:
    figures = {
        (row["checkpoint"], row["measure"], row["arm"], str(row["seed"])): row["value"]
        for row in pq.read_table(evidence.EVIDENCE / f"{name}.parquet").to_pylist()
    }
    for one in told(name)["comparisons"]:
        for arm, by_seed in one["values"].items():
            assert by_seed == {seed: figures[one["checkpoint"], one["measure"], arm, seed] for seed in by_seed}
        measure = evidence.measure_of(one["measure"])
        base = one["values"][told(name)["study"]["against"]]
        for arm in one["arms"]:
            differences = [
                measure.scaled(one["values"][arm["arm"]][str(seed)]) - measure.scaled(base[str(seed)])
                for seed in arm["seeds"]
            ]
            assert paired(differences).mean == pytest.approx(arm["mean"], abs=1e-12)


@pytest.mark.parametrize("name", KEPT)
def test_what_is_kept_names_no_place_of_a_machine(name: str) -> None:
    assert evidence.without_places(told(name)) == told(name)


def test_places_lose_their_folders_alone() -> None:
    settings = {"sources.0.path": "/data/mine/stories.jsonl.gz", "arms": [{"recipe": "recipes/mine.toml", "seed": 1}]}
    assert evidence.without_places(settings) == settings | {"sources.0.path": "stories.jsonl.gz"}


def test_a_study_without_its_place_is_told() -> None:
    with pytest.raises(UserError, match="has no place for mine"):
        evidence.with_table("# Evidence\n", "mine", "| |")


def test_a_row_for_each_arm_with_its_range() -> None:
    result = {
        "study": {"against": "recipe", "seeds": [1, 2]},
        "titles": {"phase2": "phase 2"},
        "comparisons": [
            {
                "checkpoint": "phase2",
                "measure": "pass_at_1",
                "values": {
                    "other": {"1": 0.9, "2": 0.75},
                    "recipe": {"1": 0.8, "2": 0.7},
                    "without": {"1": 0.2, "2": 0.1},
                },
                "arms": [
                    {"arm": "other", "mean": 0.075, "low": -0.24, "high": 0.39, "verdict": "no difference seen"},
                    {"arm": "without", "mean": -0.6, "low": -0.7, "high": -0.5, "verdict": "other problems"},
                ],
            }
        ],
    }
    assert evidence.table(result).splitlines()[2:] == [
        "| pass@1, completing a docstring, after phase 2 | `recipe` | 75.0% (70.0–80.0%) | | |",
        "| | `other` | 82.5% (75.0–90.0%) | +7.5 points (−24.0 to +39.0) | no difference seen |",
        "| | `without` | 15.0% (10.0–20.0%) | – | other problems |",
    ]
