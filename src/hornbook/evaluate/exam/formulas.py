"""Formulas compared as formulas, by `math-verify`."""

from __future__ import annotations

from importlib.util import find_spec

from hornbook.errors import UserError


def ready() -> None:
    """Raise UserError where math-verify is not installed."""
    if find_spec("math_verify") is None:
        raise UserError("MATH compares formulas with math-verify; install it: pip install 'hornbook[eval]'")


def equal(answer: str, right: str) -> bool:
    """Whether the last formula of an answer is equal to `right`, which is LaTeX between dollar signs."""
    from math_verify import parse, verify

    return bool(verify(parse(right), parse(answer)))
