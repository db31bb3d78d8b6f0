"""What is held out to be measured with: which compositions, and how nothing of them is trained on."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from hornbook.seeds import derive
from hornbook.teacher.interface import Exercise, Problem

SHARE = 0.135
SMALLEST_FAMILY = 12  # families with fewer compositions hold nothing out
TAUGHT = 3  # every part stays in at least this many training compositions of its family

_OPERATORS = re.compile(r"[^\W\d]\w*|[\s()'\"]+")


def hold_out(
    compositions: Mapping[str, tuple[str, ...]], *, group: str, seed: int, share: float = SHARE
) -> frozenset[str]:
    """The held-out ones among a family's `compositions` (key -> the keys of its parts, one for each axis).

    A `share` of them is taken, as long as every part stays in TAUGHT others. The order in which they are taken is a
    hash of the seed, `group` and the parts: two families with the same group and the same axes hold out the same
    combinations, whatever the rest of the catalogue is.
    """
    if len(compositions) < SMALLEST_FAMILY:
        return frozenset()
    left = Counter((axis, part) for parts in compositions.values() for axis, part in enumerate(parts))
    wanted = round(share * len(compositions))
    held: set[str] = set()
    for key, parts in sorted(compositions.items(), key=lambda item: derive(seed, "held out", group, *item[1])):
        if len(held) == wanted:
            break
        slots = list(enumerate(parts))
        if all(left[slot] > TAUGHT for slot in slots):
            held.add(key)
            left.subtract(slots)
    return frozenset(held)


class Guard:
    """Knows the held-out problems: their compositions, and the shapes of their bodies."""

    def __init__(self, problems: Sequence[Problem] = ()) -> None:
        self._compositions: set[str] = set()
        self._outlines: set[str] = set()
        self._shapes: set[str] = set()
        for problem in problems:
            self.hold(problem)

    def hold(self, problem: Problem) -> str:
        """Know one more; there is no complaint about it. Raises what `shape` raises: it could not be told apart."""
        form = shape(problem.parameters, problem.solution)
        self._shapes.add(form)
        self._outlines.add(outline(problem.solution))
        self._compositions.add(problem.composition)
        return ""

    def complaint(self, exercise: Exercise) -> str:
        """Why the exercise would give a problem away; empty when it would not."""
        if exercise.composition in self._compositions:
            return "held-out composition"
        # Shapes take a syntax tree to compare; unequal outlines settle nearly every exercise without one.
        if outline(exercise.body) in self._outlines and shape(exercise.parameters, exercise.body) in self._shapes:
            return "same body as a held-out problem"
        return ""


def shape(parameters: Sequence[str], body: str) -> str:
    """The body's syntax tree with arguments and local names numbered in the order they occur; numbers and strings stay.

    `body` is indented as inside a `def`. Bodies with equal shapes do the same thing in the same way.
    Raises SyntaxError for what is not Python, RecursionError for what is nested too deeply.
    """
    tree = ast.parse(f"def f({', '.join(parameters)}):\n{body}")
    local = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    local |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    numbers: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.arg = numbers.setdefault(node.arg, f"_{len(numbers)}")
        elif isinstance(node, ast.Name) and node.id in local:
            node.id = numbers.setdefault(node.id, f"_{len(numbers)}")
    return ast.dump(tree)


def outline(body: str) -> str:
    """What is left of a body without its names, brackets, quotes and spaces.

    Cheap to compute, and equal for bodies of equal shape that are written in the usual way: unequal outlines save the
    comparison of shapes.
    """
    return _OPERATORS.sub("", body)
