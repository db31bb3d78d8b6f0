"""The built-in grader: an additive rubric, one point for each of five criteria, on features of the text.

The form is FineWeb-Edu's (Penedo et al., 2024): points are added one by one and the reason names them. The criteria are
for code and its documentation: substance, clarity, documentation, explanation, worked examples.
Generated tables earn nothing, and test boilerplate no more than one point: neither teaches.
"""

from __future__ import annotations

from dataclasses import dataclass

from hornbook.teacher.builtin.features import Features, features
from hornbook.teacher.interface import Grade


@dataclass(frozen=True)
class Verdict:
    """Whether one criterion is met, and what was seen, in a few words."""

    point: bool
    seen: str


def _substance(seen: Features) -> Verdict:
    if seen.characters < 250:
        return Verdict(False, f"only {seen.characters} characters")
    if seen.import_share > 0.4:
        return Verdict(False, "mostly imports and names")
    return Verdict(True, "enough to learn from")


def _clarity(seen: Features) -> Verdict:
    if seen.is_code:
        if seen.short_name_share > 0.3:
            return Verdict(False, "cryptic names")
        if seen.long_line_share > 0.1 or seen.literal_share > 0.24:
            return Verdict(False, "crowded lines")
        if seen.definitions == 0:
            return Verdict(False, "no functions or classes to follow")
        return Verdict(True, "readable code with descriptive names")
    if seen.sentences_per_1000 < 4:
        return Verdict(False, "few whole sentences")
    return Verdict(True, "whole sentences")


def _documented(seen: Features) -> Verdict:
    if not seen.is_code:
        return Verdict(seen.characters >= 800, "a text of some length" if seen.characters >= 800 else "a short note")
    share = seen.docstrings / max(1, seen.definitions)
    point = seen.prose_share >= 0.12 and (share >= 0.4 or seen.comment_share >= 0.15)
    return Verdict(point, f"{seen.docstrings} docstrings for {seen.definitions} definitions")


def _explains(seen: Features) -> Verdict:
    enough = seen.prose_share >= 0.3 if seen.is_code else seen.characters >= 1200
    point = enough and seen.reasons_per_1000 >= (1.2 if seen.is_code else 1.6)
    return Verdict(point, "says why and how" if point else "little said about why and how")


def _examples(seen: Features) -> Verdict:
    point = seen.examples >= 1 and (seen.examples_per_1000 >= 0.6 or seen.doctests >= 2)
    return Verdict(point, f"{seen.examples} worked examples" if seen.examples else "no worked example")


CRITERIA = (
    ("substance", _substance),
    ("clarity", _clarity),
    ("documentation", _documented),
    ("explanation", _explains),
    ("examples", _examples),
)


def grade(text: str) -> Grade:
    """Grade one document 0-5; the reason says for each criterion what was seen. Code and text about it are `known`."""
    seen = features(text)
    if seen.is_table:
        shares = (
            f"{seen.literal_share:.0%} digits, quotes and brackets, {seen.literal_line_share:.0%} lines of literals"
        )
        return Grade(0, f"0 points: a table of literals ({shares}).", known=seen.about_code)
    verdicts = [(name, criterion(seen)) for name, criterion in CRITERIA]
    points = sum(verdict.point for _, verdict in verdicts)
    said = "; ".join(
        f"{'+1' if verdict.point else 'no point for'} {name} ({verdict.seen})" for name, verdict in verdicts
    )
    if seen.is_test and points > 1:
        return Grade(
            1, f"1 point: test boilerplate ({seen.test_marks} assertions and test cases) earns no more; {said}."
        )
    return Grade(points, f"{points} point{'' if points == 1 else 's'}: {said}.", known=seen.about_code)
