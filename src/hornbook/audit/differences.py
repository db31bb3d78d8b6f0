"""Scores with intervals, and how far two groups of rows, or two answers to the same rows, lie apart.

Every p here is one-sided: how often chance alone would favour the first by as much. The first is what a model may have
seen, so that a small p accuses.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from statistics import fmean
from typing import Any

from hornbook.evaluate.benchmark import wilson_interval
from hornbook.evaluate.exam.compare import bootstrap
from hornbook.seeds import derive

ACCUSES = 0.05  # below this p a method says that rows were seen


def score(values: Sequence[float]) -> dict[str, Any]:
    """The mean of scores from 0 to 1 with Wilson's interval; `share` is None where there are none."""
    low, high = wilson_interval(sum(values), len(values))
    share = round(sum(values) / len(values), 4) if values else None
    return {"of": len(values), "share": share, "low": round(low, 4), "high": round(high, 4)}


def apart(first: Sequence[float], second: Sequence[float]) -> dict[str, Any] | None:
    """How much higher the first group's mean is, with its 95% interval and p; None where a group is empty.

    The interval is Newcombe's hybrid of Wilson's (1998, method 10). p is Fisher's exact test of rights and wrongs, for
    other scores Mann and Whitney's.
    """
    from scipy.stats import fisher_exact, mannwhitneyu  # type: ignore[import-untyped]

    if not first or not second:
        return None
    a, b = (sum(values) / len(values) for values in (first, second))
    (a_low, a_high), (b_low, b_high) = (wilson_interval(sum(values), len(values)) for values in (first, second))
    if {*first, *second} <= {0.0, 1.0}:
        table = [[sum(values), len(values) - sum(values)] for values in (first, second)]
        p = fisher_exact(table, alternative="greater").pvalue
    else:
        p = mannwhitneyu(first, second, alternative="greater").pvalue
    low, high = a - b - sqrt((a - a_low) ** 2 + (b_high - b) ** 2), a - b + sqrt((a_high - a) ** 2 + (b - b_low) ** 2)
    return {"difference": round(a - b, 4), "low": round(low, 4), "high": round(high, 4), "p": rounded(p)}


def paired(first: Sequence[float], second: Sequence[float], *, seed: int) -> dict[str, Any] | None:
    """The same for two scores of each row: the interval by paired bootstrap, p by the exact sign test of what changed.

    lost, gained: rows that the second has worse and better. None where there are no rows.
    """
    from scipy.stats import binomtest

    if not first:
        return None
    differences = [a - b for a, b in zip(first, second, strict=True)]
    lost, gained = sum(one > 0 for one in differences), sum(one < 0 for one in differences)
    low, high = bootstrap(differences, derive(seed, "audit", "paired"))
    p = binomtest(lost, lost + gained, alternative="greater").pvalue if lost + gained else 1.0
    return {
        "difference": round(fmean(differences), 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "p": rounded(p),
        "lost": lost,
        "gained": gained,
    }


def rounded(p: float) -> float:
    """Three digits that count."""
    return float(f"{p:.3g}")
