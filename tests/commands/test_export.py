from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hornbook import cli
from hornbook.errors import UserError
from hornbook.files import read_json, write_json

NUMBERS = {"bytes": 1, "bits_per_weight": 16.0}


def export(*words: object) -> str:
    result = CliRunner().invoke(cli.app, ["export", *(str(word) for word in words)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_folder_with_one_file_in_it(make_checkpoint: Any, tmp_path: Path) -> None:
    folder = make_checkpoint(seed=1)[1]
    told = export(folder, "--type", "q8_0", "--into", tmp_path / "out")
    assert "model-q8_0.gguf: " in told and "bits a weight" in told
    assert f"The file: {tmp_path / 'out' / 'model-q8_0.gguf'}" in told
    assert (tmp_path / "out" / "model-q8_0.gguf").read_bytes()[:4] == b"GGUF"
    assert "It is there already" in export(folder, "--type", "q8_0", "--into", tmp_path / "out")


def test_what_another_version_made_counts_or_is_made_again(
    make_checkpoint: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the message says that names the option."""
    folder, into = make_checkpoint(seed=1)[1], ("--into", tmp_path / "out")
    monkeypatch.setattr("hornbook.model.formats.gguf.writing.export", lambda *_, **__: {"file": "x", **NUMBERS})
    export(folder, *into)
    monkeypatch.setattr("hornbook.commands.export.code_digest", lambda module: "another")
    with pytest.raises(UserError, match=r"with --changed-code redo, or go on .* with --changed-code keep"):
        export(folder, *into)
    assert "It is there already" in export(folder, *into, "--changed-code", "keep")
    assert "It is there already" not in export(folder, *into, "--changed-code", "redo")


def test_stopped_it_says_that_it_starts_over(
    make_checkpoint: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hornbook.model.formats.gguf.writing.export", stopped)
    words = ["export", str(make_checkpoint(seed=1)[1]), "--into", str(tmp_path / "out")]
    result = CliRunner().invoke(cli.app, words)
    assert result.exit_code == 130
    assert "Stopped. The same command starts over." in result.output


def test_a_tokenizer_that_llama_cpp_does_not_know_is_refused(make_checkpoint: Any, tmp_path: Path) -> None:
    folder = make_checkpoint(seed=1)[1]
    state = read_json(folder / "tokenizer.json")
    state["pre_tokenizer"] = {"type": "Split", "pattern": {"Regex": "x"}, "behavior": "Isolated", "invert": False}
    write_json(folder / "tokenizer.json", state)
    with pytest.raises(UserError, match=r"cuts text in a way that llama\.cpp does not know by name"):
        export(folder, "--into", tmp_path / "out")
    assert not (tmp_path / "out").exists()
