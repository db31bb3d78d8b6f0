"""`hornbook redteam` from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from hornbook.cli import app
from hornbook.errors import UserError


def test_a_page_and_conversations(make_checkpoint: Callable[..., tuple[Any, Path]], tmp_path: Path) -> None:
    folder = make_checkpoint(1, context=200)[1]
    words = ["redteam", str(folder), "--limit", "2", "--families", "direct, translation", "new_tokens=6"]
    done = CliRunner().invoke(app, [*words, "--into", str(tmp_path / "r")], env={"COLUMNS": "110"})
    assert done.exit_code == 0, done.output or done.exception
    assert "translation" in done.output and "all but direct" in done.output
    assert (tmp_path / "r" / "redteam.html").read_text().startswith("<!DOCTYPE html>")
    assert len((tmp_path / "r" / "rows.jsonl").read_text().splitlines()) == 4
    done = CliRunner().invoke(app, [*words, "--into", str(tmp_path / "r"), "--json"])
    assert json.loads(done.output) == json.loads((tmp_path / "r" / "redteam.json").read_text())
    done = CliRunner().invoke(app, ["compare", str(tmp_path / "r"), str(tmp_path / "r")])
    assert done.exit_code == 0 and "translation" in done.output and "all" in done.output
    done = CliRunner().invoke(app, ["show", str(tmp_path / "r" / "rows.jsonl"), "--sample", "1"])
    assert done.exit_code == 0 and "[user]" in done.output and "[assistant]" in done.output
    wrong = CliRunner().invoke(app, [*words, "tryes=2", "--into", str(tmp_path / "r")])
    assert isinstance(wrong.exception, UserError) and "did you mean 'tries'?" in str(wrong.exception)
