"""Variable tracking: a value is handed from variable to variable; which of them hold it? (RULER's multi-hop task)"""

from __future__ import annotations

import random
import string

from hornbook.evaluate.long.haystack import Filler, Haystack, hide, split
from hornbook.evaluate.long.prompt import Prompter, Question, fit
from hornbook.evaluate.long.synthetic import distinct, letters, number
from hornbook.seeds import stream

HOPS = 4
ROOM = 64
WITH_EXAMPLE = 1024  # from this length on an example comes first


def variable_tracking(prompter: Prompter, haystack: Haystack, length: int, seed: int) -> Question:
    """A chain of four hops hidden in the haystack, in order; a right answer names all five variables.

    Prompts of 1,024 tokens and more begin with a short example, as RULER's do.
    """
    source = stream(seed, "variables", length)
    filler = haystack.draw(source, length)
    values = distinct(lambda: number(source, 5), 2, absent=filler.lowered)
    example = _example(haystack, source, values[1]) if length >= WITH_EXAMPLE else ""
    names = _names(source, 5, absent=filler.lowered)
    needles = _chain(source, names, values[0])

    def build(count: int) -> Question:
        text = example + _text(hide(filler, count, needles)[0], values[0])
        begins = _begins(values[0])
        return Question(prompter.ids(text, begins), f"{text}\n{begins}", tuple(names), ROOM)

    return fit(build, length, len(filler.words))


def _names(source: random.Random, size: int, *, absent: str) -> list[str]:
    return distinct(lambda: letters(source, size, string.ascii_uppercase), HOPS + 1, absent=absent)


def _chain(source: random.Random, names: list[str], value: str) -> list[tuple[float, str]]:
    """The chain's assignments with their depths, which rise."""
    right = [value, *(f"VAR {name}" for name in names[:-1])]
    depths = sorted(source.uniform(0, 100) for _ in names)
    return [(depth, f"VAR {name} = {what}.") for depth, name, what in zip(depths, names, right, strict=True)]


def _example(haystack: Haystack, source: random.Random, value: str) -> str:
    """A worked example, with names of three letters."""
    filler = Filler(split(haystack.text)[:60])
    names = _names(source, 3, absent=filler.lowered)
    hay, _ = hide(filler, len(filler.words), _chain(source, names, value))
    return f"{_text(hay, value)}\n{_begins(value)} {' '.join(names)}\n\n"


def _text(hay: str, value: str) -> str:
    return (
        "Variables are given values, or the values of other variables, at several places of the following text.\n\n"
        f"{hay}\n\nWhich variables hold the value {value}, directly or by way of others?"
    )


def _begins(value: str) -> str:
    return f"By the assignments in the text, these {HOPS + 1} variables hold the value {value}:"
