from __future__ import annotations

import re
from pathlib import Path

import pytest

from hornbook.errors import UserError
from hornbook.files import read_toml
from hornbook.settings import validated
from hornbook.teacher.builtin import content, story_plots
from hornbook.teacher.builtin.chatter import _File as SmallTalk


def test_a_place_that_nothing_fills_is_told() -> None:
    values = read_toml(content.FOLDER / "story-plots.toml")
    values["plots"][3]["moral"][0] = "Be kind to {Q}."
    with pytest.raises(UserError, match=re.escape("share has {Q}, which nothing fills: Be kind to {Q}.")):
        validated(story_plots._File, values, "the file")


def test_a_wrong_key_is_told_with_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "small-talk.toml").write_text(
        'person = ["Ada"]\n[topics.greeting]\nsaid = ["Hi"]\nanswers = ["Hello"]\n'
    )
    monkeypatch.setattr(content, "FOLDER", tmp_path)
    with pytest.raises(UserError, match=r"small-talk\.toml: .*person is not a setting"):
        content.load("small-talk", SmallTalk)
