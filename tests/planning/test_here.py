from __future__ import annotations

from pathlib import Path

import pytest

from hornbook.errors import UserError
from hornbook.planning.here import estimate, source_bytes
from hornbook.recipe import available, load
from hornbook.stages.plan import stages

POCKET = available()["pocket"]


def test_every_stage_has_an_estimate(tmp_path: Path) -> None:
    recipe = load(POCKET)
    found = estimate(recipe, tmp_path)
    for stage in stages(recipe, base=tmp_path, name="x"):
        size, seconds = found[stage.name]
        assert size and 0 < seconds < 3600
    more = estimate(load(POCKET, ["pretrain.phase2.tokens=100e6"]), tmp_path)
    assert more["pretrain"][1] > 5 * found["pretrain"][1]


@pytest.mark.parametrize("name", sorted(available()))
def test_no_stage_of_any_recipe_is_forgotten(name: str, tmp_path: Path) -> None:
    recipe = load(available()[name])
    assert {stage.name for stage in stages(recipe, base=tmp_path, name=name)} <= set(estimate(recipe, tmp_path))


def test_source_bytes(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("x" * 1000)
    recipe = load(POCKET, ["sources.0.path=texts", "sources.1.path=texts/a.txt"])
    assert source_bytes(recipe, tmp_path) == 2000
    with pytest.raises(UserError, match="does not exist"):
        source_bytes(load(POCKET, ["sources.0.path=nowhere"]), tmp_path)
