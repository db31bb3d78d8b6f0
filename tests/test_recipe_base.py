"""Recipes that begin with another recipe's settings, and the settings of a longer context."""

from __future__ import annotations

from pathlib import Path

import pytest

from hornbook.errors import UserError
from hornbook.recipe import available, load


def test_pocket_long_is_pocket_and_a_longer_context() -> None:
    pocket, long = load(available()["pocket"]), load(available()["pocket-long"])
    assert long.longrope is not None
    kept = {"name", "description", "longrope"}
    assert long.model_dump(exclude=kept) == pocket.model_dump(exclude=kept)
    plans = [[step.name for step in recipe.steps(Path())] for recipe in (pocket, long)]
    assert plans[1] == [*plans[0][:-1], "search", "extend", "measure", "report"]
    for one, other in zip(*(r.steps(Path())[:10] for r in (pocket, long)), strict=True):
        assert (one.name, one.settings, one.inputs) == (other.name, other.settings, other.inputs)


def test_tables_are_merged_and_lists_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('base = "pocket"\n[model]\nlayers = 2\n[[sources]]\nname="manual"\npath="x"\n')
    (tmp_path / "more.toml").write_text('base = "mine.toml"\nseed = 7\n[pretrain.phase2]\ntokens = 5\n')
    with pytest.raises(UserError, match="unknown source 'library'"):
        load(tmp_path / "more.toml")
    (tmp_path / "mine.toml").write_text('base = "pocket"\n[model]\nlayers = 2\n')
    recipe, pocket = load(tmp_path / "more.toml"), load(available()["pocket"])
    assert (recipe.seed, recipe.model.layers, recipe.model.width) == (7, 2, pocket.model.width)
    assert recipe.pretrain.phase2.tokens == 5
    assert recipe.pretrain.phase2.mixture == pocket.pretrain.phase2.mixture
    assert load(tmp_path / "more.toml", ["model.layers=3"]).model.layers == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('base = "pockt"', "did you mean 'pocket'"),
        ("base = 3", "base is the name or the file of another recipe"),
        ('base = "circle.toml"', "leads back"),
        ('base = "pocket"\n[longrope]\ncontext = 128\nsources = ["library"]', r"longrope.context is 128"),
        ('base = "pocket"\n[longrope]\ncontext = 256\nsources = ["libary"]', "did you mean 'library'"),
        ('base = "pocket-long"\n[longrope.search]\nparents = 99', "search.parents 99"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "circle.toml").write_text(text)
    with pytest.raises(UserError, match=words) as error:
        load(tmp_path / "circle.toml")
    assert "\n" not in str(error.value)
