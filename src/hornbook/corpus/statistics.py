"""A dozen cheap figures of a text's form: what a bag of words does not see."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

_WORD = re.compile(r"[A-Za-z]+")
_NUMBER = re.compile(r"\b\d[\w.]*")


def _share(test: Callable[[str], bool]) -> Callable[[str, list[str]], float]:
    """The share of the lines that hold something for which `test` is true of the line without its indentation."""
    return lambda _, lines: sum(map(test, lines)) / max(1, len(lines))


def _mean_word(text: str, _: list[str]) -> float:
    words = _WORD.findall(text)
    return sum(map(len, words)) / max(1, len(words))


# Each takes the text and its lines, stripped and without the empty ones.
STATISTICS: dict[str, Callable[[str, list[str]], float]] = {
    "log characters": lambda text, _: math.log1p(len(text)),
    "mean line": lambda text, lines: len(text) / max(1, len(lines)),
    "blank lines": lambda text, lines: 1 - len(lines) / (text.count("\n") + 1),
    "repeated lines": lambda _, lines: 1 - len(set(lines)) / max(1, len(lines)),
    "comments": _share(lambda line: line.startswith("#")),
    "docstrings": _share(lambda line: line.startswith(('"""', "'''", 'r"""'))),
    "examples": _share(lambda line: line.startswith(">>>")),
    "definitions": _share(lambda line: line.startswith(("def ", "class ", "async def "))),
    "imports": _share(lambda line: line.startswith(("import ", "from "))),
    "asserts": _share(lambda line: line.startswith(("assert", "self.assert", "with self.assert"))),
    "sentences": _share(lambda line: line.endswith(".") and " " in line),
    "literals": _share(lambda line: line.endswith(",") and not line.startswith("def ")),
    "numbers": lambda text, _: len(_NUMBER.findall(text)) / max(1, len(text)) * 10,
    "letters": lambda text, _: sum(map(len, _WORD.findall(text))) / max(1, len(text)),
    "mean word": _mean_word,
}


def statistics(text: str) -> list[float]:
    """The figures of STATISTICS, in its order."""
    lines = [line for line in map(str.strip, text.split("\n")) if line]
    return [figure(text, lines) for figure in STATISTICS.values()]
