"""Programs that a model wrote, run on a benchmark's own tests: in the sandbox, apart from the tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hornbook.evaluate.exam.rules import Question
from hornbook.sandbox.judge import judge
from hornbook.sandbox.program import Limits
from hornbook.sandbox.sandbox import Sandbox

SECONDS = 3.0  # HumanEval's own limit


def judged(questions: Sequence[Question], answers: Sequence[str], *, allow_unisolated: bool = False) -> Iterator[str]:
    """For each answer what is wrong with the program that it makes, in one line; empty where the tests pass."""
    with Sandbox(Limits(seconds=SECONDS), allow_unisolated=allow_unisolated) as sandbox:
        for question, answer in zip(questions, answers, strict=True):
            assert question.checks is not None, "a program's question has checks"
            yield judge(sandbox, question.checks, question.program(answer))
