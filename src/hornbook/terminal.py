"""Text that others wrote, made safe to show: a terminal obeys control characters, a reader should see them."""

from __future__ import annotations

import re

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


def _spelled(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape", "surrogatepass").decode("ascii")
