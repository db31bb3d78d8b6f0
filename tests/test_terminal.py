"""Nothing that a terminal obeys gets through, and nothing else is changed."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table

import hornbook
from hornbook.terminal import Terminal, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("a\rb\x08\x7f\0", r"a\rb\x08\x7f\x00"),
        ("one\n\ttwo", r"one\n\ttwo"),
        ("a\u202eb\u2066c\u2028d", r"a\u202eb\u2066c\u2028d"),
        ("na\udcefve.txt", r"na\udcefve.txt"),
        ("naïve 漢字 🏳️‍🌈 \\x1b [bold] می\u200cخواهم\u00a0", "naïve 漢字 🏳️‍🌈 \\x1b [bold] می\u200cخواهم\u00a0"),
    ],
)
def test_control_characters_are_shown(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_text_of_several_lines_keeps_them() -> None:
    assert printable("def f():\n\treturn '\x1b'\r\n", lines=True) == "def f():\n\treturn '\\x1b'\\r\n"


@given(text=st.text(), lines=st.booleans())
def test_nothing_that_a_terminal_obeys_gets_through(text: str, lines: bool) -> None:
    shown = printable(text, lines=lines)
    left = {character for character in shown if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")}
    assert left <= ({"\n", "\t"} if lines else set())
    assert shown.encode().decode() == shown
    assert printable(shown, lines=lines) == shown


def markup_of_others(path: Path) -> Iterator[str]:
    """What a module puts into printed markup without escaping it: names with brackets in them would vanish, or worse."""
    for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.args):
            continue
        plain = any(one.arg == "markup" and ast.unparse(one.value) == "False" for one in call.keywords)
        if call.func.attr in ("print", "say") and not plain and isinstance(call.args[0], ast.JoinedStr):
            for value in call.args[0].values:
                if isinstance(value, ast.FormattedValue) and value.format_spec is None and not is_safe(value.value):
                    yield f"{path.name}:{call.lineno}: {ast.unparse(value.value)}"


def is_safe(value: ast.expr) -> bool:
    told = ast.unparse(value)
    if told.startswith("plural(") and isinstance(value, ast.Call):
        return all(isinstance(noun, ast.Constant) for noun in value.args[1:])
    return told.startswith(("escape(", "in_markup(", "len(", "in_words(")) or told in SAFE


SAFE = (
    "mark",
    "told",
    "seconds",
    "done",
    "count",
    "reason",
    "flaw",
    "REMOVED",
    "settings.documents",
    "hornbook.__version__",
)


def test_nothing_that_others_named_is_taken_for_markup() -> None:
    source = Path(hornbook.__file__).parent
    modules = list(source.rglob("*.py"))
    assert len(modules) > 100
    assert [found for path in sorted(modules) for found in markup_of_others(path)] == []


def test_a_terminal_shows_what_others_wrote(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    table = Table(box=None)
    table.add_column("name")
    table.add_row("a\x1b[2J")
    terminal.plain("runs/[/b]:tea:\x1b[2J\x9b")
    terminal.print("[bold]b\x1b]0;x\x07[/bold]")
    terminal.print(table)
    terminal.values({"a\x1b": "\x9b é \udcef"})
    out = capsys.readouterr().out
    assert out.splitlines()[:2] == [r"runs/[/b]:tea:\x1b[2J\x9b", r"b\x1b]0;x\x07"]
    assert r"a\x1b[2J" in out
    assert json.loads(out[out.index("{") :]) == {"a\x1b": "\x9b é \udcef"}
    assert not set(out) & {"\x1b", "\x9b", "\x07"}


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_any_encoding_takes_any_text(encoding: str) -> None:
    program = (
        "from hornbook.terminal import *; settle_streams(); console.plain('✓ a → b … 漢字 \\udcef'); "
        "console.values({'a': 'é漢'})"
    )
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)
    first, *rest = done.stdout.decode(encoding).splitlines()
    assert r"\udcef" in first
    if encoding == "ascii":
        assert first == r"+ a -> b ... \u6f22\u5b57 \udcef"
    assert json.loads("\n".join(rest)) == {"a": "é漢"}


def test_what_goes_into_a_file_is_not_wrapped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    Terminal().print("word " * 100)
    assert capsys.readouterr().out.count("\n") == 1
    monkeypatch.setenv("COLUMNS", "60")
    Terminal().print("word " * 100)
    assert capsys.readouterr().out.count("\n") > 8
