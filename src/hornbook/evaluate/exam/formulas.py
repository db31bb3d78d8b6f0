"""Formulas compared as formulas, by `math-verify`."""

from __future__ import annotations

from hornbook.errors import UserError


def equal(answer: str, right: str) -> bool:
    """Whether the last formula of an answer is equal to `right`, which is LaTeX between dollar signs."""
    try:
        from math_verify import parse, verify
    except ImportError:
        raise UserError("MATH compares formulas with math-verify; install it: pip install 'hornbook[eval]'") from None
    # math-verify's own limits of time need the main thread's signals.
    gold, found = parse(right), parse(answer)
    return bool(verify(gold, found))
