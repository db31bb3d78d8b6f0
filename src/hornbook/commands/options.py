"""What options of several commands read."""

from __future__ import annotations

from collections.abc import Callable

from hornbook.amounts import length
from hornbook.errors import UserError


def amounts(option: str, read: Callable[[str], int] = length, *, least: int = 1) -> Callable[[str], int]:
    """What reads an option's value: an amount, as `read` takes it, `least` at least. Raises UserError for others."""

    def parse(text: str) -> int:
        try:
            number = read(text)
        except ValueError as error:
            raise UserError(f"{option}: {error}") from None
        if number < least:
            raise UserError(f"{option}: {text} is too few; {least} at least")
        return number

    return parse
