"""CONTRIBUTING.md's examples work: all that it says to add is added to a copy of the sources, and used there.

`contributing/additions.py` uses it, in a process of its own.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
ADDITIONS = PAGE.split("## To add something")[1].split("\n### ")[1:]
MOST = 4  # files that an addition may touch beside its own


def blocks(text: str) -> Iterator[tuple[str, str, str]]:
    """Kind, path and content of every block that begins with a path."""
    yield from re.findall(r"```(\w+)\n(?:#|\{#) ([\w/.-]+)(?: #\})?\n(.*?)```", text, flags=re.DOTALL)


def change(text: str, difference: str) -> str:
    """`text` after a change that is written as in a diff: its unchanged and removed lines must be there once."""
    for hunk in difference.rstrip("\n").split("\n@@\n"):
        lines = hunk.split("\n")
        before = "".join(f"{line[1:]}\n" for line in lines if line[:1] in (" ", "-"))
        after = "".join(f"{line[1:]}\n" for line in lines if line[:1] in (" ", "+"))
        assert text.count(before) == 1, f"not there, or not once:\n{before}"
        text = text.replace(before, after)
    return text


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources with everything added."""
    root = tmp_path_factory.mktemp("tree")
    shutil.copytree(ROOT / "src", root / "src", ignore=shutil.ignore_patterns("__pycache__", ".*", "*.egg-info"))
    shutil.copy(ROOT / "pyproject.toml", root)
    for kind, path, content in blocks(PAGE):
        if kind == "diff":
            (root / path).write_text(change((root / path).read_text(encoding="utf-8"), content), encoding="utf-8")
        else:
            assert not (root / path).exists(), path
            (root / path).write_text(content, encoding="utf-8")
    return root


def run(tree: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(tree / "src"), "PYTEST_ADDOPTS": ""}
    words = (sys.executable, *words)
    return subprocess.run(words, capture_output=True, text=True, check=False, env=environment, cwd=tree)


def test_the_page_has_an_example_for_everything_that_is_added_often() -> None:
    titles = [addition.partition("\n")[0] for addition in ADDITIONS]
    assert titles == [
        "A filter rule",
        "An architecture",
        "A file format",
        "An objective",
        "A benchmark",
        "A kind of text for the teacher",
        "A method of rounding",
        "A report section",
        "A stage",
    ]


@pytest.mark.parametrize("addition", ADDITIONS, ids=lambda addition: addition.partition("\n")[0])
def test_an_addition_touches_few_files_beside_its_own(addition: str) -> None:
    touched = [path for kind, path, _ in blocks(addition) if kind == "diff"]
    assert len(set(touched)) <= MOST
    for path in touched:
        assert (ROOT / path).is_file(), path
    assert any(True for _ in blocks(addition))


@pytest.mark.slow
def test_what_the_page_adds_works(tree: Path) -> None:
    additions = str(ROOT / "tests" / "contributing" / "additions.py")
    told = run(
        tree, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--rootdir", str(ROOT), additions
    )
    assert told.returncode == 0, told.stdout + told.stderr


def test_what_the_page_adds_keeps_to_the_style_and_to_the_order_of_imports(tree: Path) -> None:
    files = sorted({path for _, path, _ in blocks(PAGE) if path.endswith(".py")})
    for words in (["ruff", "check"], ["ruff", "format", "--check"]):
        told = run(tree, "-m", *words, *files)
        assert told.returncode == 0, told.stdout + told.stderr
    told = run(tree, "-c", "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())")
    assert told.returncode == 0, told.stdout + told.stderr


def test_everything_in_the_package_that_is_no_code_is_installed_with_it() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    package = ROOT / "src" / "hornbook"
    told = {path for pattern in setuptools["package-data"]["hornbook"] for path in package.glob(pattern)}
    # What the engine is built from is not installed, only what comes of it.
    told |= {ROOT / path for built in setuptools["ext-modules"] for path in built["sources"] + built["depends"]}
    beside = {
        path
        for path in package.rglob("*")
        if path.is_file()
        and path.suffix not in (".py", ".so")
        and path.parent.name != "__pycache__"
        and not any(part[0] == "." for part in path.parts[1:])
    }
    assert beside == told
