from __future__ import annotations

from pathlib import Path

import pytest

from hornbook.errors import UserError
from hornbook.planning.efforts import efforts
from hornbook.recipe import available, load
from hornbook.runs.effort import REFERENCE_FLOPS

POCKET = available()["pocket"]


def test_every_stage_has_an_estimate(tmp_path: Path) -> None:
    recipe = load(POCKET)
    found, rate = efforts(recipe, tmp_path), REFERENCE_FLOPS
    for step in recipe.steps(tmp_path):
        effort = found[step.name]
        assert effort.size and 0 < effort.seconds(rate, rate) < 3600
    more = efforts(load(POCKET, ["pretrain.phase2.tokens=100e6", "pretrain.phase2.maximum_epochs=1e4"]), tmp_path)
    assert more["pretrain"].seconds(rate, rate) > 5 * found["pretrain"].seconds(rate, rate)


@pytest.mark.parametrize(
    ("recipe", "override", "size"),
    [
        ("pocket", "seed=1", "3 x 200 problems"),
        ("pocket", "evaluate.checkpoints=['phase2']", "1 x 200 problems"),
        ("tutor", "evaluate.problems=7", "2 x 7 problems"),
        ("tutor", "evaluate.checkpoints=[]", "5 x 200 problems"),
    ],
)
@pytest.mark.usefixtures("with_smollm2")
def test_each_checkpoint_that_is_evaluated_counts(recipe: str, override: str, size: str, tmp_path: Path) -> None:
    assert efforts(load(available()[recipe], [override]), tmp_path)["evaluate"].size == size


@pytest.mark.parametrize("name", sorted(available()))
@pytest.mark.usefixtures("with_smollm2")
def test_no_stage_of_any_recipe_is_forgotten(name: str, tmp_path: Path) -> None:
    recipe = load(available()[name])
    assert {step.name for step in recipe.steps(tmp_path)} == set(efforts(recipe, tmp_path))


def test_the_volume_of_sources(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("x" * 1000)
    recipe = load(POCKET, ["sources.0.path=texts", "sources.1.path=texts/a.txt"])
    assert efforts(recipe, tmp_path)["read"].core_seconds == pytest.approx(2000 / 12e6)
    with pytest.raises(UserError, match="does not exist"):
        efforts(load(POCKET, ["sources.0.path=nowhere"]), tmp_path)
