"""Scores as in RULER: the share of the expected strings that an answer holds."""

from __future__ import annotations

from collections.abc import Sequence

from hornbook.evaluate.benchmark import wilson_interval
from hornbook.evaluate.long.question import Question


def score(question: Question, answer: str) -> float:
    """The share of the expected strings within the answer, whatever their case; 1 for any where one is enough."""
    said = answer.lower()
    found = [expected.lower() in said for expected in question.expected]
    return float(any(found)) if question.any_of else sum(found) / len(found)


def interval(scores: Sequence[float]) -> tuple[float, float]:
    """A 95% interval of the mean of scores from 0 to 1."""
    return wilson_interval(sum(scores), len(scores))
