"""Nothing that a terminal obeys gets through, and nothing else is changed."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.terminal import printable


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
