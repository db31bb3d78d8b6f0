"""Text that others wrote, made safe to show: a terminal obeys control characters, a reader should see them."""

from __future__ import annotations

import codecs
import json
import os
import re
import sys
from typing import Any

from rich.console import Console, ConsoleDimensions
from rich.markup import escape
from rich.text import Text

# What moves a cursor, rewrites a screen or hides what is there: ASCII's and Latin-1's control characters, what turns
# the direction of writing (Boucher and Anderson 2021, arXiv:2111.00169), and halves of surrogate pairs, which stand for
# bytes of file names that are no UTF-8 and which no terminal takes.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
# The same but for what makes lines and columns.
_BESIDE_LINES = re.compile("(?![\n\t])" + _CONTROL.pattern)


def printable(text: str, *, lines: bool = False) -> str:
    """`text` with control characters spelled as Python spells them: ESC becomes the four characters `\\x1b`.

    lines: leave newlines and tabs as they are, for a text that may have several lines.
    """
    return (_BESIDE_LINES if lines else _CONTROL).sub(_spelled, text)


def in_markup(text: str) -> str:
    """`text` as a part of rich's markup, on one line: brackets are brackets, control characters are spelled."""
    return escape(printable(text))


def _spelled(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape", "surrogatepass").decode("ascii")


_UNBOUNDED = 100_000  # columns


class Terminal(Console):
    """rich's console for what others wrote: control characters are shown, and `:tea:` stays what it is."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, emoji=False)

    @property
    def size(self) -> ConsoleDimensions:
        """Columns and lines: the terminal's, or what COLUMNS says; what goes into a file or a pipe is not wrapped."""
        if self._width is None and not self.is_terminal and not os.environ.get("COLUMNS", "").isdecimal():
            return ConsoleDimensions(_UNBOUNDED, 25)
        return super().size

    @size.setter
    def size(self, new_size: tuple[int, int]) -> None:
        self._width, self._height = new_size

    def render_str(self, text: str, **options: Any) -> Text:
        """A text, or a table's cell, with its control characters spelled."""
        return super().render_str(printable(text, lines=True), **options)

    def plain(self, text: str, *, end: str = "\n") -> None:
        """Print a text as it is: brackets are no markup, and no width cuts it."""
        self.print(text, markup=False, highlight=False, soft_wrap=True, end=end)

    def values(self, value: Any) -> None:
        """Print JSON on standard output, of which each program reads the same, whatever the encoding."""
        narrow = not (sys.stdout.encoding or "").lower().startswith("utf")
        text = json.dumps(value, indent=2, ensure_ascii=narrow, default=str)
        print(_BESIDE_LINES.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


console = Terminal()
errors = Terminal(stderr=True)

# What Hornbook itself prints beyond ASCII, for terminals that have no more.
_PLAIN = {
    "→": "->",
    "✓": "+",
    "✗": "x",
    "…": "...",
    "–": "-",
    "—": "-",
    "›": ">",
    "≥": ">=",
    "≤": "<=",
    "×": "x",
    "·": ".",
}


def _plainly(error: UnicodeError) -> tuple[str, int]:
    """What an encoding has no place for, in signs that each has (an error handler as `codecs` wants it)."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    spelled = (_PLAIN.get(one, one.encode("unicode_escape", "surrogatepass").decode()) for one in characters)
    return "".join(spelled), error.end


def settle_streams() -> None:
    """Let standard output and error take any text, whatever their encoding."""
    codecs.register_error("hornbook", _plainly)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure") and stream.errors == "strict":
            stream.reconfigure(errors="hornbook")
