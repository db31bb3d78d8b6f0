"""A dozen cheap figures of a text's form: what a bag of words does not see."""

from __future__ import annotations

import math
import re
import string
from collections import Counter

STATISTICS = (
    "log characters",
    "mean line",
    "blank lines",
    "repeated lines",
    "comments",
    "docstrings",
    "examples",
    "definitions",
    "imports",
    "asserts",
    "sentences",
    "literals",
    "numbers",
    "letters",
    "mean word",
)

# What a line may begin with, and the figure it counts for.
_BEGINNINGS = {
    "#": "comments",
    '"""': "docstrings",
    "'''": "docstrings",
    'r"""': "docstrings",
    ">>>": "examples",
    "def ": "definitions",
    "class ": "definitions",
    "async def ": "definitions",
    "import ": "imports",
    "from ": "imports",
    "assert": "asserts",
    "self.assert": "asserts",
    "with self.assert": "asserts",
}
_BEGINNING = re.compile("|".join(map(re.escape, _BEGINNINGS)))
_NUMBER = re.compile(r"\b\d[\w.]*")
_LETTERS = string.ascii_letters.encode()
_NOT_LETTERS = bytes(code if chr(code) in string.ascii_letters else ord(" ") for code in range(256))


def statistics(text: str) -> list[float]:
    """The figures of STATISTICS, in its order. Shares are of the lines that hold something, or of the characters."""
    lines = [line for line in map(str.strip, text.split("\n")) if line]
    many, long = max(1, len(lines)), max(1, len(text))
    matches = filter(None, map(_BEGINNING.match, lines))
    begun = Counter(_BEGINNINGS[match[0]] for match in matches)
    data = text.encode("utf-8", "replace")
    letters = len(data) - len(data.translate(None, _LETTERS))
    found = {
        "log characters": math.log1p(len(text)),
        "mean line": len(text) / many,
        "blank lines": 1 - len(lines) / (text.count("\n") + 1),
        "repeated lines": 1 - len(set(lines)) / many,
        **{name: begun[name] / many for name in _BEGINNINGS.values()},
        "sentences": sum(line.endswith(".") and " " in line for line in lines) / many,
        "literals": sum(line.endswith(",") and not line.startswith("def ") for line in lines) / many,
        "numbers": len(_NUMBER.findall(text)) / long * 10,
        "letters": letters / long,
        "mean word": letters / max(1, len(data.translate(_NOT_LETTERS).split())),
    }
    return [found[name] for name in STATISTICS]
