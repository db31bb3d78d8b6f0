"""The same function to write with other names for its parameters and variables, its docstring in other words.

The function keeps its name, which its tests call. Parameters that the docstring speaks of in prose keep their word in
their new name, so that it stays to be understood.
"""

from __future__ import annotations

import ast
import builtins
import random
import re
from collections.abc import Iterator, Mapping
from typing import Any

from hornbook.audit.twins.row import Fields, UntwinnableError
from hornbook.evaluate.exam.declaration import Benchmark

_PREFIXES = ("given", "passed", "some", "these")
_LOCALS = ("own", "inner", "work", "local")
# Wording that stands in many docstrings, and what says the same; each group of a pattern is kept.
_WORDING = (
    (r"\bWrite a function that\b", "Define a function which"),
    (r"\bWrite a function which\b", "Define a function that"),
    (r"\bWrite a function\b", "Define a function"),
    (r"\bCreate a function (?:that|which)\b", "Write a function to be called that"),
    (r"\bYou(?:'re| are) given\b", "Your input is"),
    (r"\bGiven\b", "Taking"),
    (r"\bReturns?\b", "Give back"),
    (r"\breturns\b", "gives back"),
    (r"\breturn\b", "give back"),
    (r"\bCheck (?:if|whether)\b", "Tell whether"),
    (r"\bcheck (?:if|whether)\b", "tell whether"),
    (r"\bFind\b", "Look for"),
    (r"\bYour task is to\b", "What you have to do is to"),
    (r"\bThe function should\b", "It has to"),
    (r"\bFor example\b", "To give an example"),
    (r"\bExamples?:", "Such as:"),
    (r"\bFor a given\b", "For any"),
    (r"\bImplement\b", "Program"),
    (r"\bshould\b", "must"),
)
_SIGNS = ("arr", "num", "nums")  # are no words in spite of their vowels
_EXAMPLE = re.compile(r"^\s*>>>|[=-]=?>|➞|==|^\s*\S+\([^)]*\)\s*(?:=|returns)")


def twin(page: Benchmark, fields: Mapping[str, Any], chance: random.Random) -> Fields:
    """The row with `prompt`, `canonical_solution` and `test` rewritten. Raises UntwinnableError where that can't be."""
    prompt, solution, entry = (str(fields.get(name, "")) for name in ("prompt", "canonical_solution", "entry_point"))
    source = prompt + solution
    try:
        tree, tests = ast.parse(source), ast.parse(str(fields.get("test", "")))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UntwinnableError("does not parse") from error
    function = next((one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name == entry), None)
    text = ast.get_docstring(function, clean=False) if function is not None else None
    if function is None or text is None or not isinstance(function.body[0], ast.Expr):
        raise UntwinnableError("has no function with a docstring")
    names = _renamed(tree, function, text, chance)
    if not names:
        raise UntwinnableError("has no names that can be changed")
    doc = function.body[0].value
    begin = _place(source, doc.lineno, doc.col_offset)
    end = _place(source, doc.end_lineno or doc.lineno, doc.end_col_offset or 0)
    parameters = [node.arg for node in ast.walk(function.args) if isinstance(node, ast.arg)]
    changes = [(begin, end, _reworded(source[begin:end], {one: names[one] for one in parameters if one in names}))]
    for place, name in _uses(function, names):
        at = _place(source, *place)
        changes.append((at, at + len(name), names[name]))
    made = _changed(source, changes)
    inside = sum(len(new) - (end - begin) for begin, end, new in changes if begin < len(prompt))
    cut = len(prompt) + inside
    called = [
        (_place(str(fields["test"]), one.lineno, one.col_offset), one.arg)
        for call in ast.walk(tests)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ("candidate", entry)
        for one in call.keywords
        if one.arg in names
    ]
    test = _changed(str(fields["test"]), [(at, at + len(arg), names[arg]) for at, arg in called if arg is not None])
    return {**fields, "prompt": made[:cut], "canonical_solution": made[cut:], "test": test}


def failing(page: Benchmark, rows: Mapping[str, Fields], *, allow_unisolated: bool = False) -> set[str]:
    """Ids of the rows whose own solution does not pass their tests, in the sandbox, as answers are judged."""
    from hornbook.evaluate.exam.examination import judged
    from hornbook.evaluate.exam.questions import question

    if not rows:
        return set()
    asked = [question(page, id_, fields) for id_, fields in rows.items()]
    solutions = [str(fields["canonical_solution"]) for fields in rows.values()]
    wrong = judged(asked, solutions, allow_unisolated=allow_unisolated)
    return {id_ for id_, found in zip(rows, wrong, strict=True) if found}


def _renamed(tree: ast.Module, function: ast.FunctionDef, text: str, chance: random.Random) -> dict[str, str]:
    """New names for the parameters and variables of a function that nothing outside of it knows."""
    outside = {name for one in tree.body for name in _bound(one)} | set(dir(builtins))
    everywhere = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} | outside
    everywhere |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    if any(isinstance(node, ast.Global | ast.Nonlocal | ast.ClassDef) for node in ast.walk(function)):
        return {}
    parameters = [node.arg for node in ast.walk(function.args) if isinstance(node, ast.arg)]
    stored = [node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    stored += [node.arg for node in ast.walk(function) if isinstance(node, ast.arg)]
    first, later = chance.choice(_PREFIXES), chance.choice(_LOCALS)
    names: dict[str, str] = {}
    for name in dict.fromkeys([*parameters, *stored]):
        made = f"{first if name in parameters else later}_{name.lstrip('_')}"
        if name not in outside and name != "_" and made not in everywhere:
            names[name] = made
    return names


def _bound(node: ast.stmt) -> Iterator[str]:
    """Names that a statement of a module gives to the others."""
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            yield from ((one.asname or one.name).partition(".")[0] for one in names)
        case _:
            yield from (one.id for one in ast.walk(node) if isinstance(one, ast.Name))


def _uses(function: ast.FunctionDef, names: Mapping[str, str]) -> Iterator[tuple[tuple[int, int], str]]:
    """Where each of the names stands in a function: line and column as `ast` counts."""
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and node.id in names:
            yield (node.lineno, node.col_offset), node.id
        elif isinstance(node, ast.arg) and node.arg in names:
            yield (node.lineno, node.col_offset), node.arg


def _place(source: str, line: int, column: int) -> int:
    """The character at which a line's byte stands."""
    lines = source.split("\n")
    return sum(len(one) + 1 for one in lines[: line - 1]) + len(lines[line - 1].encode()[:column].decode())


def _changed(text: str, changes: list[tuple[int, int, str]]) -> str:
    for begin, end, new in sorted(changes, reverse=True):
        text = text[:begin] + new + text[end:]
    return text


def _reworded(literal: str, names: Mapping[str, str]) -> str:
    """A docstring as it stands in the source, in other words but for its examples, with parameters by their new names;
    one that has none of the known words begins with words of its own.
    """
    lines: list[str] = []
    changed = example = False
    for line in literal.split("\n"):
        example = bool(_EXAMPLE.search(line)) or (example and bool(line.strip()) and ">>>" in lines[-1])
        told = line
        for pattern, other in () if example else _WORDING:
            told = re.sub(pattern, other, told)
        changed |= told != line
        lines.append(_named(told, names, prose=not example))
    if not changed:
        opening = re.match(r"[A-Za-z]*(?:\"\"\"|'''|\"|')\s*", lines[0])
        begin = opening.end() if opening else 0
        lines[0] = f"{lines[0][:begin]}What is to be done: {lines[0][begin:]}"
    return "\n".join(lines)


def _named(line: str, names: Mapping[str, str], *, prose: bool) -> str:
    """A line with parameters by their new names: what is set equal or quoted is one, in prose also what is no word."""
    for name, new in names.items():
        word = re.escape(name)
        line = re.sub(rf"(?<![\w.]){word}(?=\s*=[^=])|(?<=[`'\"]){word}(?=[`'\"])", new, line)
        if prose and (name in _SIGNS or not re.search("[aeiou]", name) or not name.isalpha()):
            line = re.sub(rf"(?<![\w'.-]){word}(?![\w'-])", new, line)
    return line
