"""Whole runs from Python. `tests/test_examples.py` has them at work."""

from __future__ import annotations

from pathlib import Path

import pytest

from hornbook.errors import UserError
from hornbook.files import read_jsonl
from hornbook.library import run_recipe, train_on_texts
from hornbook.recipe import load, locate
from hornbook.runs import code

TINY = {"sources.0.path": "teacher:stories#20"}


def test_a_recipe_is_run_as_far_as_told(tmp_path: Path) -> None:
    made = run_recipe("stories", tmp_path / "run", TINY, until="clean")
    assert list(made) == ["texts", "clean"]
    assert made["clean"].folder == tmp_path / "run" / "02-clean"
    assert made["texts"].figures["documents"] == 20
    recipe = load(locate("stories")[1], TINY)
    assert all(one.before for one in run_recipe(recipe, tmp_path / "run", until="clean").values())


def test_wrong_settings_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"pretrain\.bach is not a setting \(did you mean 'batch'"):
        run_recipe("stories", tmp_path / "run", {"pretrain.bach": 4})
    with pytest.raises(UserError, match="no recipe 'storis'"):
        run_recipe("storis", tmp_path / "run")
    with pytest.raises(UserError, match="has its settings already"):
        run_recipe(load(locate("stories")[1]), tmp_path / "run", TINY)
    with pytest.raises(UserError, match=r"pretrain\.bach is not a setting"):
        train_on_texts(["one"], tmp_path / "run", settings={"pretrain.bach": 4})
    assert not (tmp_path / "run").exists()


def test_too_few_texts_are_told_and_their_file_is_touched_only_when_they_change(tmp_path: Path) -> None:
    settings = {"model.vocabulary": 280, "tokens.training_characters": 10_000}
    texts = [*(f"The number {number} is here.\n" for number in range(20)), "half a pair: \ud83d"]
    for _ in range(2):
        with pytest.raises(UserError, match="do not fill one batch of 32"):
            train_on_texts(texts, tmp_path, settings=settings)
    assert [row["text"] for row in read_jsonl(tmp_path / "texts.jsonl")] == texts
    before = (tmp_path / "texts.jsonl").stat().st_mtime_ns
    with pytest.raises(UserError, match="do not fill"):
        train_on_texts(iter(texts), tmp_path, settings=settings)
    assert (tmp_path / "texts.jsonl").stat().st_mtime_ns == before


def test_what_other_settings_made_is_kept_unless_told(tmp_path: Path) -> None:
    run_recipe("stories", tmp_path / "run", TINY, until="texts")
    made = (tmp_path / "run" / "01-texts" / "manifest.json").read_bytes()
    with pytest.raises(UserError, match=r'texts \(.*seed 1 → 2.*of work: give changed_settings="redo"'):
        run_recipe("stories", tmp_path / "run", TINY | {"seed": 2}, until="texts")
    assert (tmp_path / "run" / "01-texts" / "manifest.json").read_bytes() == made
    found = run_recipe("stories", tmp_path / "run", TINY | {"seed": 2}, until="texts", changed_settings="redo")
    assert not found["texts"].before


def test_what_other_code_made_is_kept_unless_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_recipe("stories", tmp_path / "run", TINY, until="texts")
    monkeypatch.setattr(code, "_digest", lambda module, with_data: "other")
    with pytest.raises(UserError, match='give changed_code="redo" or changed_code="keep"'):
        run_recipe("stories", tmp_path / "run", TINY, until="texts")
    assert run_recipe("stories", tmp_path / "run", TINY, until="texts", changed_code="keep")["texts"].before
    assert not run_recipe("stories", tmp_path / "run", TINY, until="texts", changed_code="redo")["texts"].before


def test_a_run_goes_on_from_the_recipe_that_it_keeps(tmp_path: Path) -> None:
    run_recipe("stories", tmp_path / "run", TINY | {"seed": 2}, until="texts")
    found = run_recipe(tmp_path / "run" / "recipe.toml", tmp_path / "run", until="texts")
    assert found["texts"].before


def test_a_file_of_the_users_is_not_taken_for_the_texts(tmp_path: Path) -> None:
    (tmp_path / "texts.jsonl").write_text("mine")
    with pytest.raises(UserError, match=r"texts.jsonl is there already"):
        train_on_texts(["one"], tmp_path)
    assert (tmp_path / "texts.jsonl").read_text() == "mine"
