"""What code a result depends on: every module of this package that its stage's module imports, and those import.

Of a module its syntax tree counts, without docstrings and comments; of what a package holds beside its modules and in
folders that are no packages (templates, style sheets, data), the bytes, where a module of the same room that is run
looks for files beside itself. What a text comes to is kept between calls.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from hornbook.errors import UserError
from hornbook.files import digest_bytes, digest_file, digest_value, keep, kept
from hornbook.machine import kept_in

PACKAGE = "hornbook"
ROOT = Path(__file__).parents[1]
# What only shows, stores or words a result, and so decides none.
IGNORED = ("hornbook", "hornbook.errors", "hornbook.progress", "hornbook.runs")
_MOST = 5_000  # texts that are remembered


def code_digest(module: str) -> str:
    """One hash of the code that `module` ("hornbook.train.sft") runs, wherever in the package that stands."""
    names = sorted(modules(module))
    rooms = {_room(name) for name in names if _told(name).looks_beside}
    found = digest_value({name: _digest(name, with_data=_room(name) in rooms) for name in names})
    _remembered().store()
    return found


@cache
def modules(module: str) -> frozenset[str]:
    """`module` and all modules of the package that it imports, directly or not, at its top or inside a function.

    Imports that only a type checker follows do not count.
    """
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [other for other in _imports(name) if other not in found]
    return frozenset(found)


@cache
def _imports(module: str) -> tuple[str, ...]:
    """What a module imports of this package; a module inside a package brings the package's front page along."""
    found: set[str] = set()
    for name in _told(module).imports:
        parts = name.split(".")
        found.update(".".join(parts[:count]) for count in range(1, len(parts) + 1))
    return tuple(sorted(name for name in found if name not in IGNORED and not _inside(name) and _file(name)))


def _inside(name: str) -> bool:
    """Whether a module stands in one of the packages that do not count."""
    return any(name.startswith(f"{ignored}.") for ignored in IGNORED if ignored != PACKAGE)


def _nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Every node of a tree but those below `if TYPE_CHECKING:`."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING"):
            yield from _nodes(child)


def _file(module: str) -> Path | None:
    """The file of a module of this package; None for any other name."""
    if module != PACKAGE and not module.startswith(f"{PACKAGE}."):
        return None
    path = ROOT.joinpath(*module.split(".")[1:])
    for file in (path / "__init__.py", path.with_suffix(".py")):
        if file.is_file():
            return file
    return None


class _Told(NamedTuple):
    """What a module imports, the hash of its syntax tree, and whether it looks for files beside itself."""

    imports: list[str]
    digest: str
    looks_beside: bool


@cache
def _told(module: str) -> _Told:
    """What is told of a module; of an empty one where a program that is in no file has a stage of its own."""
    file = _file(module) or getattr(sys.modules.get(module), "__file__", None)
    return _remembered().told(Path(file).read_bytes() if file else b"")


class _Texts:
    """What texts of modules come to, those of earlier calls too: to parse the whole package takes seconds."""

    def __init__(self) -> None:
        self._place: Path | None = None
        with suppress(UserError):  # nothing can be kept
            self._place = kept_in("code", str(ROOT)) / "modules.json"
        self._key = digest_file(Path(__file__))
        before = kept(self._place, self._key) if self._place is not None else None
        self._known: dict[str, Sequence[Any]] = before.result if before is not None else {}
        self._stored = len(self._known)

    def told(self, text: bytes) -> _Told:
        """What a text comes to."""
        mark = digest_bytes(text)
        if mark not in self._known:
            tree = ast.parse(text)
            imports, digest = sorted(_imported(tree)), digest_bytes("\n".join(_canonical(tree)).encode())
            beside = "importlib.resources" in imports or any(
                isinstance(node, ast.Name) and node.id == "__file__" for node in ast.walk(tree)
            )
            self._known[mark] = _Told(imports, digest, beside)
        return _Told(*self._known[mark])

    def store(self) -> None:
        """Keep what is known for later calls, where that can be."""
        if self._place is not None and len(self._known) != self._stored:
            with suppress(OSError):
                keep(self._place, self._key, dict(list(self._known.items())[-_MOST:]))
            self._stored = len(self._known)


@cache
def _remembered() -> _Texts:
    return _Texts()


def _imported(tree: ast.Module) -> set[str]:
    """Every name that may be a module that a tree imports."""
    found: set[str] = set()
    for node in _nodes(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found.update([node.module, *(f"{node.module}.{alias.name}" for alias in node.names)])
    return found


def _room(module: str) -> str:
    """The room that a module stands in, `hornbook.report` for its sections too: their templates are read from above."""
    return ".".join(module.split(".")[:2])


@cache
def _digest(module: str, *, with_data: bool) -> str:
    """Hash of a module's syntax tree, and for a package `with_data` of the files in it that are no code."""
    file = _file(module)
    parts = [_told(module).digest]
    if with_data and file is not None and file.name == "__init__.py":
        parts += [f"{path.relative_to(file.parent)} {digest_file(path)}" for path in _data(file.parent)]
    return digest_value(parts)


def _data(folder: Path) -> Iterator[Path]:
    """Files that are no code, in a package and in its folders that are no packages."""
    for path in sorted(folder.iterdir()):
        if path.is_dir() and path.name != "__pycache__" and not (path / "__init__.py").exists():
            yield from _data(path)
        elif path.is_file() and path.suffix not in (".py", ".pyc"):
            yield path


def _canonical(node: ast.AST) -> Iterator[str]:
    """A syntax tree as lines, the same in every version of Python for the same code.

    `ast.dump` will not do: which empty fields it tells changes from version to version.
    """
    yield type(node).__name__
    for name, value in ast.iter_fields(node):
        values = value if isinstance(value, list) else [value]
        if name == "body" and isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            values = values[1:] if ast.get_docstring(node, clean=False) is not None else values
        for one in values:
            if isinstance(one, ast.AST):
                yield name
                yield from _canonical(one)
            elif one is not None:
                yield f"{name} {one!r}"
    yield "."
