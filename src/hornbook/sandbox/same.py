"""When a result counts as the value that was expected."""

from __future__ import annotations

from typing import Any


def same(left: Any, right: Any) -> bool:
    """Equal values of equal types, all the way down: True is not 1, and [1] is not (1,). A dict's order is free."""
    if type(left) is not type(right):
        return False
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(same(one, other) for one, other in zip(left, right, strict=True))
    if isinstance(left, set | frozenset | dict):
        return bool(_typed(left) == _typed(right))
    return bool(left == right)


def _typed(value: Any) -> Any:
    """A value in which every part carries its type, so that `==` tells True from 1 in sets and keys too."""
    if isinstance(value, list | tuple):
        return type(value), tuple(_typed(part) for part in value)
    if isinstance(value, set | frozenset):
        return type(value), frozenset(_typed(part) for part in value)
    if isinstance(value, dict):
        return dict, {_typed(key): _typed(part) for key, part in value.items()}
    return type(value), value
