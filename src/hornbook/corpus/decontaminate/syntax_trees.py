"""Functions by the shape of their syntax tree: what stays when names, numbers, texts, comments and layout change.

A shape is the tree's nodes in order. Names are left out, but for those of built-ins and attributes, which renaming does
not change; numbers and strings are left out, but for their type; docstrings and annotations altogether. How alike two
shapes are is twice their longest common subsequence over their lengths together: phi-1's match rate tau of syntax
trees (Gunasekar et al. 2023), which its authors do not define more closely.
"""

from __future__ import annotations

import ast
import builtins
import re
import textwrap
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from hornbook.corpus.normal_form import readable

_BUILTINS = frozenset(dir(builtins))
_FENCED = re.compile(r"```[^\n`]*\n(.*?)```", re.DOTALL)
_DEFINITION = re.compile(r"^[ \t]*(?:async[ ]+)?def[ ]+\w", re.MULTILINE)
_LONGEST = 4_000  # nodes: longer functions are no benchmark's

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Shaped:
    """A function: its source, its name, and the shape of its tree."""

    source: str
    name: str
    shape: tuple[str, ...]


def functions(text: str) -> list[Shaped]:
    """Every function of a text, nested ones and methods too: of a whole program, else of fenced code, else wherever a
    definition stands. What does not parse as Python is passed over.
    """
    found, whole = _functions(text)
    read = text if whole else readable(text)  # `&nbsp;`, `&lt;` and zero-width spaces are no Python
    return found if read == text else [*found, *_functions(read)[0]]


def _functions(text: str) -> tuple[list[Shaped], bool]:
    """The functions, and whether the whole text is a program."""
    if not _DEFINITION.search(text):
        return [], False
    text = text.replace("\r\n", "\n").expandtabs(8)
    tree = _parse(text)
    if tree is not None:
        return list(_found(tree, text)), True
    found: list[Shaped] = []
    for block in [match[1] for match in _FENCED.finditer(text)] or [text]:
        tree = _parse(textwrap.dedent(block))
        found += _found(tree, textwrap.dedent(block)) if tree is not None else _scattered(block)
    return found, False


def similarity(one: tuple[str, ...], other: tuple[str, ...]) -> float:
    """How much of two shapes is common, from 0 to 1."""
    return 2 * _common(one, other) / max(1, len(one) + len(other))


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    """Length of the longest common subsequence, 64 nodes and more in one operation (Hyyro 2004)."""
    places: dict[str, int] = {}
    for place, node in enumerate(one):
        places[node] = places.get(node, 0) | 1 << place
    everywhere = (1 << len(one)) - 1
    row = everywhere
    for node in other:
        met = row & places.get(node, 0)
        row = ((row + met) | (row - met)) & everywhere
    return len(one) - row.bit_count()


def _parse(text: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of invalid escapes in strings
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _found(tree: ast.Module, text: str) -> Iterator[Shaped]:
    lines = text.split("\n")
    for node in ast.walk(tree):
        if isinstance(node, Function):
            shape = _shape(node)
            if len(shape) <= _LONGEST:
                source = textwrap.dedent("\n".join(lines[node.lineno - 1 : node.end_lineno]))
                yield Shaped(source, node.name, shape)


def _scattered(text: str) -> Iterator[Shaped]:
    """Functions between other text: each definition with the deeper lines after it. Nested ones come with their own."""
    lines = text.split("\n")
    end = 0
    for start, line in enumerate(lines):
        if start < end or not _DEFINITION.match(line):
            continue
        depth = len(line) - len(line.lstrip())
        end = start + 1
        while end < len(lines) and (not lines[end].strip() or len(lines[end]) - len(lines[end].lstrip()) > depth):
            end += 1
        block = textwrap.dedent("\n".join(lines[start:end]))
        tree = _parse(block)
        if tree is not None:
            yield from _found(tree, block)


def _shape(function: Function) -> tuple[str, ...]:
    nodes: list[str] = []
    stack: list[ast.AST] = [*reversed(_body(function)), function.args]
    while stack:
        node = stack.pop()
        name = type(node).__name__
        match node:
            case ast.Load() | ast.Store() | ast.Del():
                continue
            case ast.Name(id=known) if known in _BUILTINS:
                nodes.append(f"Name {known}")
            case ast.Attribute(attr=known):
                nodes.append(f"Attribute {known}")
            case ast.Constant(value=value):
                nodes.append(f"Constant {type(value).__name__}")
            case _:
                nodes.append(name)
        stack += reversed(_children(node))
    return tuple(nodes)


def _children(node: ast.AST) -> list[ast.AST]:
    """The parts of a node, without annotations, decorators and docstrings."""
    if isinstance(node, ast.arg):
        return []
    if isinstance(node, ast.AnnAssign):
        return [node.target, *([node.value] if node.value is not None else [])]
    if isinstance(node, Function):
        return [node.args, *_body(node)]
    return list(ast.iter_child_nodes(node))


def _body(function: Function) -> list[ast.stmt]:
    """A function's statements without those that are only a string."""
    return [
        line
        for line in function.body
        if not (
            isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) and isinstance(line.value.value, str)
        )
    ]
