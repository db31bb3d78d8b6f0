"""Run what was written and keep what does what it says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from hornbook.sandbox.same import same
from hornbook.teacher.interface import Case, Exercise, Preference

if TYPE_CHECKING:
    from hornbook.sandbox.program import Outcome, Program
    from hornbook.sandbox.sandbox import Sandbox


def complaint(outcome: Outcome, cases: Sequence[Case]) -> str:
    """Why the outcome is not what the cases ask for, in one line; empty when it is."""
    if outcome.status != "ok":
        return f"{outcome.status}: {outcome.message}".rstrip(": ")
    if len(outcome.results) != len(cases):
        return f"{len(outcome.results)} results for {len(cases)} calls"
    for case, result in zip(cases, outcome.results, strict=True):
        if result.error:
            return f"{case.arguments!r} raised {result.error}"
        if not same(result.value, case.expected):
            return f"{case.arguments!r} gave {result.value!r} where {case.expected!r} is right"
    return ""


def _program(source: str, function: str, cases: Sequence[Case]) -> Program:
    from hornbook.sandbox.program import Program

    return Program(source=source, function=function, calls=tuple(case.arguments for case in cases))


def check(exercises: Sequence[Exercise], sandbox: Sandbox) -> Iterator[str]:
    """For each exercise in order, what is wrong with it when it is run; an empty string when nothing is."""
    programs = [_program(exercise.text, exercise.name, exercise.cases) for exercise in exercises]
    for exercise, outcome in zip(exercises, sandbox.run(programs, together=200), strict=True):
        yield complaint(outcome, exercise.cases)


def rejected_is_wrong(preferences: Sequence[Preference], sandbox: Sandbox) -> list[bool]:
    """For each preference whether its rejected answer fails a case; True for those that cannot be tried."""
    tried = [preference.trial for preference in preferences if preference.trial is not None]
    programs = [_program(trial.source, trial.function, trial.cases) for trial in tried]
    outcomes = sandbox.run(programs, together=200)
    verdicts = iter([bool(complaint(outcome, trial.cases)) for trial, outcome in zip(tried, outcomes, strict=True)])
    return [preference.trial is None or next(verdicts) for preference in preferences]
