"""Runs as arguments: what is said of a folder that is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from hornbook.commands.places import run_folder
from hornbook.errors import UserError
from hornbook.files import write_text
from hornbook.progress import Progress
from hornbook.recipe import locate
from hornbook.runs.run import run
from hornbook.runs.steps import Step


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    run([Step("read", "", (), {}, ("hornbook.seeds",), lambda inputs, into, progress: {})], Path("runs/pocket"),
        progress=Progress(), recipe="seed = 1")  # fmt: skip
    write_text(tmp_path / "notes" / "a.txt", "text")
    return tmp_path


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("runs/pokcet", "runs/pokcet is not a run: it does not exist (did you mean 'pocket'?); give a folder"),
        ("notes", "notes is not a run; give a folder that `hornbook run` made, such as runs/pocket"),
        ("runs/pocket/01-read", "runs/pocket/01-read is not a run: it is the stage read of runs/pocket; give a"),
    ],
)
def test_what_is_no_run_is_told_for_what_it_is(here: Path, given: str, told: str) -> None:
    with pytest.raises(UserError) as caught:
        run_folder(given)
    assert str(caught.value).startswith(told)
    assert run_folder("pocket") == Path("runs/pocket")


def test_a_run_is_no_recipe_but_keeps_one(here: Path) -> None:
    with pytest.raises(UserError, match=r"runs/pocket is a folder; .*`hornbook run runs/pocket/recipe.toml`"):
        locate("runs/pocket")
    assert locate("runs/pocket/recipe.toml")[0] == "recipe"
