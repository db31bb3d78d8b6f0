"""Settings of a stage's command: a recipe's paths start where the recipe says, those of the command line here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hornbook.commands.settings import settings_of
from hornbook.recipe import STAGES

RECIPE = """
sources = [{ name = "texts", path = "texts" }, { name = "far", path = "hf:some/texts" }]
tokens = { tokenizer = "mine" }
model = { vocabulary = 320, layers = 1, width = 32, heads = 2, mlp_width = 32, context = 96 }
pretrain.phase2 = { tokens = 1_500, mixture = [{ sources = ["texts"], share = 1.0 }] }
sft = { data = ["rows.jsonl", "gone.jsonl", "hf:some/rows"], tensorboard = "events" }
evaluate = { own_questions = "questions.jsonl" }
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a recipe in another, and files of the same names in both."""
    for folder in (tmp_path, tmp_path / "theirs"):
        (folder / "mine").mkdir(parents=True)
        for name in ("rows.jsonl", "more.jsonl", "questions.jsonl"):
            (folder / name).touch()
    (tmp_path / "theirs" / "my.toml").write_text(RECIPE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def settings(stage: str, *overrides: str, recipe: str = "theirs/my.toml", **given: Any) -> Any:
    return settings_of(STAGES[stage], overrides, recipe=recipe, given=given)


def test_paths_of_a_recipe_start_from_its_folder(here: Path) -> None:
    theirs = here / "theirs"
    assert settings("tokens").tokens.tokenizer == str(theirs / "mine")
    found = settings("sft")
    assert [one.path for one in found.sft.data] == [str(theirs / "rows.jsonl"), "gone.jsonl", "hf:some/rows"]
    assert found.sft.tensorboard == str(theirs / "events")
    assert settings("quantize").evaluate.own_questions == Path("theirs/questions.jsonl")


def test_what_is_here_alone_is_not_taken_for_a_recipes(here: Path) -> None:
    (here / "gone.jsonl").touch()
    assert [one.path for one in settings("sft").sft.data][1] == str(here / "theirs" / "gone.jsonl")


def test_paths_of_the_command_line_start_from_here() -> None:
    found = settings("sft", "tensorboard=events", **{"sft.data": ["more.jsonl"]})
    assert [one.path for one in found.sft.data][-1] == "more.jsonl" and found.sft.tensorboard == "events"
    assert settings("tokens", "tokenizer=mine").tokens.tokenizer == "mine"


def test_a_recipe_may_say_where_its_paths_start(here: Path) -> None:
    path = here / "theirs" / "other.toml"
    path.write_text('relative_to = ".."\n' + RECIPE)
    assert settings("tokens", recipe=str(path)).tokens.tokenizer == "mine"
    assert "tensorboard" not in settings("dpo", recipe=str(path)).dpo.model_fields_set
