from __future__ import annotations

from pathlib import Path

import pytest

from hornbook.errors import UserError
from hornbook.teacher.rubrics import SCHEMA, available, load


def test_those_that_ship() -> None:
    assert sorted(available()) == ["code", "educational", "phi-1"]
    for name in available():
        rubric = load(name)
        request = rubric.request("A {text} in braces. " * 1000)
        assert "A {text} in braces." in request.messages[1].content
        assert len(request.messages[1].content) < 8_000
        assert request.temperature == 0
        assert load(name).request("").messages


def test_the_reason_stands_before_the_score() -> None:
    assert list(SCHEMA["properties"]) == ["reason", "score"]


def test_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.toml").write_text('prompt = "Is this good? {text}"\ncharacters = 100\n')
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load("~/mine.toml").name == "mine"
    assert load("mine.toml", tmp_path).request("x" * 500).messages[1].content == f"Is this good? {'x' * 100}"
    (tmp_path / "mine.toml").write_text('prompt = "Is this good?"\n')
    with pytest.raises(UserError, match=r"mine\.toml: the prompt needs \{text\}"):
        load("mine.toml", tmp_path)
    (tmp_path / "mine.toml").write_text("prompt = \n")
    with pytest.raises(UserError, match="is not valid TOML"):
        load("mine.toml", tmp_path)
    with pytest.raises(UserError, match="there is no rubric 'cod'"):
        load("cod")
