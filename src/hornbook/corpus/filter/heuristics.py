"""The rules of Gopher, C4 and FineWeb put to documents."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hornbook.corpus.filter import repetition
from hornbook.corpus.filter.lines import clean_lines
from hornbook.corpus.filter.measures import MEASURES, Measured, bad_words_pattern
from hornbook.corpus.filter.repetition import Repetition
from hornbook.corpus.filter.rules import RULES, Side, chosen
from hornbook.corpus.filter.settings import HeuristicSettings
from hornbook.corpus.filter.tokens import Vocabulary
from hornbook.corpus.scripts import is_latin, mostly_unspaced

NOTHING_LEFT = "nothing left"  # the reason when all lines of a document are taken out

_BREAKS: dict[Side, Callable[[float, float], bool]] = {
    "below": operator.lt,
    "above": operator.gt,
    "at most": operator.le,
    "at least": operator.ge,
}


@dataclass(frozen=True)
class Verdict:
    """What the rules leave of a document: its text, the rule that it broke first if any, the lines that each took."""

    text: str
    broken: str | None
    lines: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Test:
    """A rule with its limit in force."""

    name: str
    limit: float

    def broken_by(self, value: float) -> bool:
        side = RULES[self.name].side
        return side is not None and _BREAKS[side](value, self.limit)


class Heuristics:
    """The chosen rules with their limits."""

    def __init__(self, settings: HeuristicSettings) -> None:
        self._vocabulary = Vocabulary()
        names = chosen(settings.rules, settings.without)
        limits = {name: settings.limits.get(name, RULES[name].limit) for name in names}
        self._of_lines = {name: limits[name] for name in names if RULES[name].side is None}
        self._bad_words = bad_words_pattern(settings.bad_words)
        tests = [_Test(name, limit) for name, limit in limits.items() if RULES[name].side and limit is not None]
        self._tests = [test for test in tests if RULES[test.name].measure in MEASURES]
        self._repetition_tests = [test for test in tests if RULES[test.name].measure in repetition.MEASURES]

    def judge(self, texts: Sequence[str], languages: Sequence[str | None] | None = None) -> list[Verdict]:
        """Put the rules to texts. Rules for English pass over texts whose language is known to be another one.

        The more texts at once, the faster; what becomes of one doesn't depend on the others.
        """
        import numpy as np

        if self._vocabulary.full:
            self._vocabulary = Vocabulary()
        languages = languages or [None] * len(texts)
        judged = [self._alone(text, language) for text, language in zip(texts, languages, strict=True)]
        verdicts = [verdict for verdict, _ in judged]
        left = [number for number, verdict in enumerate(verdicts) if verdict.broken is None]
        if left and self._repetition_tests:
            repeated = Repetition(
                [verdicts[number].text for number in left],
                [judged[number][1].tokens for number in left],
                self._vocabulary,
            )
            whole = np.ones(len(left), bool)  # which texts no rule is broken by so far
            for test in self._repetition_tests:
                values = repetition.MEASURES[RULES[test.name].measure](repeated, whole)
                for place in np.flatnonzero(whole).tolist():
                    if test.broken_by(values[place]):
                        whole[place] = False
                        verdict = verdicts[left[place]]
                        verdicts[left[place]] = Verdict(verdict.text, test.name, verdict.lines)
        return verdicts

    def _alone(self, text: str, language: str | None) -> tuple[Verdict, Measured]:
        """What the rules say of a text that need no others to be fast, and what they measured."""
        lines: dict[str, int] = {}
        if self._of_lines:
            text, lines = clean_lines(text, self._of_lines)
        measured = Measured(text, self._vocabulary, self._bad_words)
        for test in self._tests:
            rule = RULES[test.name]
            if rule.english and not (language == "en" or (language is None and is_latin(text))):
                continue
            if rule.spaced and mostly_unspaced(text):
                continue
            bound = measured.bound(rule.measure)
            if (bound is None or test.broken_by(bound)) and test.broken_by(measured[rule.measure]):
                return Verdict(text, test.name, lines), measured
        return Verdict(text, None if text.strip() else NOTHING_LEFT, lines), measured
