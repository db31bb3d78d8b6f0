"""Keeps what is trained on apart from what is evaluated on."""

from __future__ import annotations

from collections.abc import Sequence

from hornbook.teacher.bodies import outline, shape
from hornbook.teacher.interface import Exercise, Problem


class Guard:
    """Knows the held-out problems: their compositions, and the shapes of their bodies."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self._compositions = {problem.composition for problem in problems}
        self._outlines = {outline(problem.solution) for problem in problems}
        self._shapes = {shape(problem.parameters, problem.solution) for problem in problems}

    def complaint(self, exercise: Exercise) -> str:
        """Why the exercise would give a problem away; empty when it would not."""
        if exercise.composition in self._compositions:
            return "held-out composition"
        # Shapes take a syntax tree to compare; unequal outlines settle nearly every exercise without one.
        if outline(exercise.body) in self._outlines and shape(exercise.parameters, exercise.body) in self._shapes:
            return "same body as a held-out problem"
        return ""
