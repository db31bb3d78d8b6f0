"""A needle in a haystack: keys with values, hidden in text or among others of their kind (RULER's NIAH tasks)."""

from __future__ import annotations

import random
from dataclasses import dataclass

from hornbook.evaluate.long.haystack import Haystack, hide
from hornbook.evaluate.long.prompt import Prompter, Question, fit
from hornbook.evaluate.long.synthetic import Kind, of_kind
from hornbook.seeds import stream

_SHORTEST_NEEDLE = 10  # tokens; no tokenizer writes one in fewer


@dataclass(frozen=True)
class Needles:
    """What is hidden, and how much of it is asked for; `room`: tokens of the longest answer."""

    room: int
    key_kind: Kind = "word"
    value_kind: Kind = "number"
    keys: int = 1
    values: int = 1
    asked: int = 1

    @property
    def what(self) -> str:
        """What a value is called in a prompt."""
        return {"number": "magic number", "word": "magic word", "uuid": "magic id"}[self.value_kind]


def needle(
    kind: Needles, prompter: Prompter, haystack: Haystack | None, length: int, depth: float | None, seed: int
) -> Question:
    """A question for the values of one key or several; a single needle lies at `depth`, others anywhere.

    Without a haystack it is made of other needles. Raises TooShortError when not even the needles fit into `length`
    tokens.
    """
    source = stream(seed, "needles", length, "any" if depth is None else f"{depth:g}")
    if haystack is None:
        return _among_needles(kind, prompter, length, source)
    filler = haystack.draw(source, length)
    keys = of_kind(kind.key_kind, source, kind.keys, absent=filler.lowered)
    values = of_kind(kind.value_kind, source, kind.keys * kind.values, absent=filler.lowered, known=keys)
    lines = [_line(kind, keys[index // kind.values], value) for index, value in enumerate(values)]
    source.shuffle(lines)
    depths = [source.uniform(0, 100) if depth is None else depth for _ in lines]
    chosen = sorted(source.sample(range(kind.keys), kind.asked))
    asked = [keys[index] for index in chosen]
    expected = tuple(v for index in chosen for v in values[index * kind.values : (index + 1) * kind.values])

    def build(count: int) -> Question:
        hay, places = hide(filler, count, list(zip(depths, lines, strict=True)))
        single = len(lines) == 1
        return _ask(kind, prompter, hay, asked, expected, places[0] if single else None, single=single)

    return fit(build, length, len(filler.words))


def _among_needles(kind: Needles, prompter: Prompter, length: int, source: random.Random) -> Question:
    """A needle whose haystack is made of other needles, a line each."""
    most = length // _SHORTEST_NEEDLE
    keys = of_kind(kind.key_kind, source, most + 1, absent="")
    values = of_kind(kind.value_kind, source, most + 1, absent="", known=frozenset(keys))
    lines = [_line(kind, key, value) for key, value in zip(keys, values, strict=True)]
    share = source.random()

    def build(count: int) -> Question:
        place = int(share * (count + 1))
        hay = "\n".join([*lines[1 : place + 1], lines[0], *lines[place + 1 : count + 1]])
        depth = 100 * place / count if count else 0.0
        return _ask(kind, prompter, hay, keys[:1], tuple(values[:1]), depth, single=False)

    return fit(build, length, most)


def _line(kind: Needles, key: str, value: str) -> str:
    return f"The {kind.what} for {key} is {value}."


def _ask(
    kind: Needles,
    prompter: Prompter,
    hay: str,
    asked: list[str],
    expected: tuple[str, ...],
    depth: float | None,
    *,
    single: bool,
) -> Question:
    several = len(expected) > 1
    hidden, them = (f"a {kind.what}", "it") if single else (f"some {kind.what}s", "them")
    what = kind.what + ("s" if several else "")
    names = " and ".join([", ".join(asked[:-1]), asked[-1]]) if len(asked) > 1 else asked[0]
    text = (
        f"The text below has {hidden} in it. Remember {them}, for you will be asked about {them}.\n\n{hay}\n\n"
        f"{f'What are all the {what}' if several else f'What is the {what}'} for {names} in the text above?"
    )
    begins = f"In the text above the {what} for {names} {'are' if several else 'is'}"
    ids = prompter.ids(text, begins)
    return Question(ids, f"{text}\n{begins}", expected, kind.room, depth)
