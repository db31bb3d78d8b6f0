"""What scripts that write figures into a page have in common."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean

from hornbook.errors import UserError


def between(page: str, begin: str, end: str, told: str, *, where: str, what: str) -> str:
    """The page with `told` between two marks, each with its own line. Raises UserError where it has no such marks."""
    before, first, rest = page.partition(begin)
    _, last, after = rest.partition(end)
    if not first or not last:
        raise UserError(f"{where} has no place for {what}: add the lines {begin} and {end}")
    return f"{before}{begin}\n{told}\n{end}{after}"


def mean_and_range(values: Sequence[float | None], digits: int = 1, unit: str = "") -> str:
    """Mean, and range where it shows, of what was measured: `95.0% (93.5–97.0)`; a dash where nothing was."""
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    low, high = (f"{value:.{digits}f}" for value in (min(known), max(known)))
    return f"{mean(known):.{digits}f}{unit}" + (f" ({low}–{high})" if low != high else "")


def percentages(shares: Sequence[float | None], digits: int = 1) -> str:
    """`mean_and_range` of shares."""
    return mean_and_range([None if share is None else 100 * share for share in shares], digits, "%")
