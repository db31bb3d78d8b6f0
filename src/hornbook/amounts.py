"""Amounts as people type them: counts, `8M` of which is 8,000,000, and lengths, `4K` of which is 4,096 tokens.

Counts go by thousands, as sizes of models and corpora do; lengths by 1,024, as contexts do.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator

_UNITS = {"": 0, "k": 1, "m": 2, "b": 3, "g": 3}
_MOST = 10**15


def _amount(text: str, thousand: int, example: str) -> int:
    found = re.fullmatch(r"([\d_.]+(?:e\d+)?)([kmbg]?)", text.strip().lower())
    try:
        number = Decimal(found[1]) * thousand ** _UNITS[found[2]] if found else Decimal(-1)
    except ArithmeticError:
        number = Decimal(-1)
    if not 0 <= number < _MOST or number % 1:
        raise ValueError(f"{text!r} is no amount; write {example}")
    return int(number)


def count(text: str) -> int:
    """`0.25M`, `250k`, `1e6`, `1_000_000` as a number. Raises ValueError for anything else."""
    return _amount(text, 1000, "0.25M, 250k or 1e6")


def length(text: str) -> int:
    """`4K`, `0.5k`, `1M`, `4096` as a number of tokens: K is 1,024. Raises ValueError for anything else."""
    return _amount(text, 1024, "4096, 4K or 1M")


def in_words(number: int) -> str:
    """250000 -> 0.25M: the shortest that `count` reads back, and that may stand in a folder's name."""
    for unit, scale in (("B", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= scale / 10 and round(number / scale, 3) * scale == number:
            return f"{number / scale:.3f}".rstrip("0").rstrip(".") + unit
    return str(number)


def _typed(read: Callable[[str], int]) -> BeforeValidator:
    def value(given: Any) -> Any:
        return read(given) if isinstance(given, str) else given

    return BeforeValidator(value)


# What a setting is that may be written so, in a recipe and as KEY=VALUE.
Count = Annotated[int, _typed(count)]
Length = Annotated[int, _typed(length)]
