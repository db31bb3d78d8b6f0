"""What is held out to be measured with: which compositions, and how nothing of them is trained on."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress

from hornbook.seeds import derive
from hornbook.teacher.interface import Chat, Exercise, Preference, Problem

SAME_BODY = "same body as a held-out problem"
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
        return SAME_BODY if self._holds(exercise.parameters, exercise.body) else ""

    def complaint_of_worse_answer(self, chat: Chat) -> str:
        """Why the worse answer of a pair would give a problem away, which it may be right for; empty when it would not.

        Of what can't be run nothing is known.
        """
        if not isinstance(chat, Preference) or chat.trial is None:
            return ""
        lines = chat.trial.source.splitlines(keepends=True)
        with suppress(SyntaxError, RecursionError):
            for function in ast.walk(ast.parse(chat.trial.source)):
                if isinstance(function, ast.FunctionDef) and function.name == chat.trial.function:
                    documented = ast.get_docstring(function) is not None and len(function.body) > 1
                    first = function.body[1 if documented else 0].lineno - 1
                    body = "".join(lines[first : function.end_lineno])
                    return SAME_BODY if self._holds([one.arg for one in function.args.args], body) else ""
        return ""

    def _holds(self, parameters: Sequence[str], body: str) -> bool:
        # Shapes take a syntax tree to compare; unequal outlines settle nearly every exercise without one.
        return outline(body) in self._outlines and shape(parameters, body) in self._shapes


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
