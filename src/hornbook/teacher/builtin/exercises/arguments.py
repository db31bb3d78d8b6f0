"""Arguments to try a function on: a few edge cases, and random ones near the constants that its parts use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

WORDS = (
    "apple", "level", "tree", "Anna", "cat", "noon", "bird", "sun", "OK", "RED", "42", "7", "2024", "river", "stone",
    "a", "it", "moon", "Paris", "eel", "hello", "data", "civic", "tool", "x1", "banana", "kayak", "light", "e", "Tom",
)  # fmt: skip


@dataclass(frozen=True)
class Hints:
    """Constants of the parts: values around which a function changes its behaviour."""

    numbers: tuple[int, ...]
    letters: tuple[str, ...]


def hints_of(constants: Sequence[Any]) -> Hints:
    """Sort the constants of a composition's parts into numbers and single characters; words are left out."""
    flat = [item for k in constants for item in (k if isinstance(k, tuple) else (k,)) if item is not None]
    return Hints(
        tuple(k for k in flat if isinstance(k, int)), tuple(k for k in flat if isinstance(k, str) and len(k) == 1)
    )


def _number(random: Random, hints: Hints) -> int:
    chance = random.random()
    if hints.numbers and chance < 0.5:
        k = random.choice(hints.numbers)
        return random.choice((k - 1, k, k + 1, 2 * k, 3 * k, -k, k + 2))
    return random.randint(-12, 12) if chance < 0.8 else random.randint(-40, 120)


def _text(random: Random, hints: Hints) -> str:
    """A word, often one that has the hinted letters at its start, end or inside."""
    word = random.choice(WORDS)
    chance = random.random()
    if not hints.letters or chance < 0.4:
        return word
    letter = random.choice(hints.letters)
    if chance < 0.5:
        return letter + word
    if chance < 0.6:
        return word + letter
    if chance < 0.7:
        return letter + word.lower() + letter
    if chance < 0.9:
        cut = random.randint(0, len(word))
        return word[:cut] + letter + word[cut:]
    return letter


def _phrase(random: Random, hints: Hints) -> str:
    return " ".join(_text(random, hints) for _ in range(random.randint(1, 4)))


def _natural(random: Random, hints: Hints) -> int:
    return abs(_number(random, hints)) if random.random() < 0.6 else random.randint(0, 99_999)


def _numbers(random: Random, hints: Hints) -> list[int]:
    values = [_number(random, hints) for _ in range(random.randint(1, 7))]
    return values + values[:1] if random.random() < 0.3 else values


def _rows(random: Random, hints: Hints) -> list[list[int]]:
    return [[_number(random, hints) for _ in range(random.randint(0, 4))] for _ in range(random.randint(1, 3))]


def _words(random: Random, hints: Hints) -> list[str]:
    return [_text(random, hints) for _ in range(random.randint(1, 6))]


def _table(random: Random, hints: Hints) -> dict[str, int]:
    return {_text(random, hints): _number(random, hints) for _ in range(random.randint(1, 5))}


_DRAW: dict[str, Callable[[Random, Hints], Any]] = {
    "number": _number,
    "natural": _natural,
    "positive": lambda random, hints: random.randint(1, 30),
    "numbers": _numbers,
    "rows": _rows,
    "text": lambda random, hints: (_text if random.random() < 0.6 else _phrase)(random, hints),
    "sentence": _phrase,
    "words": _words,
    "table": _table,
    "key": _text,
    "list": _numbers,
    "some": _numbers,
    "any_number": _number,
    "small": lambda random, hints: random.randint(1, 12),
    "string": lambda random, hints: (_text if random.random() < 0.6 else _phrase)(random, hints),
    "some_words": _words,
    "member": _number,
    "letter": lambda random, hints: random.choice("aeiotlnz1 "),
}

_EDGES: dict[str, tuple[Any, ...]] = {
    "number": (0, -1, 1),
    "natural": (0, 10, 907),
    "positive": (1, 2, 12),
    "numbers": ([], [0], [-3, -3, 2, 2]),
    "rows": ([], [[]], [[1], [-2, -2]]),
    "text": ("", "a", "Abba 12"),
    "sentence": ("", "one", "Level UP 22"),
    "words": ([], [""], ["noon", "Noon", "noon"]),
    "table": ({}, {"a": 0}, {"b": 3, "a": 3}),
    "key": ("a", "b", "apple"),
    "list": ([], [0], [-3, -3, 2, 2]),
    "some": ([5], [0], [-3, -3, 2, 2]),
    "any_number": (0, -1, 1),
    "small": (0, 1, 2),
    "string": ("", "a", "Abba 12"),
    "some_words": (["a"], [""], ["noon", "Noon", "noon"]),
    "member": (0, 0, 2),
    "letter": ("a", "a", "b"),
}


def edges(kinds: Sequence[str]) -> list[tuple[Any, ...]]:
    """The edge cases of a function whose arguments are of these kinds: the first of each, then the second, ..."""
    return list(zip(*(_EDGES[kind] for kind in kinds), strict=True))


def arguments(kinds: Sequence[str], random: Random, hints: Hints) -> tuple[Any, ...]:
    """Random arguments for a function whose arguments are of these kinds."""
    drawn = [_DRAW[kind](random, hints) for kind in kinds]
    if len(drawn) == 2 and kinds[0] == kinds[1] == "numbers":  # lists that share something
        drawn[1] = drawn[1] + drawn[0][: random.randint(0, 3)]
    if kinds[-1] == "key" and drawn[0] and random.random() < 0.8:  # a key that is there
        drawn[-1] = random.choice(list(drawn[0]))
    return tuple(drawn)
