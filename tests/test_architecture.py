"""docs/architecture.md tells of every folder and module there is, and of imports as the contract has them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "hornbook"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_the_tree_is_the_one_on_disk() -> None:
    tree = PAGE.split("    src/hornbook/\n")[1].split("\n    examples/")[0]
    told, room = set(), ""
    for indent, name in re.findall(r"^      ( *)([\w.]+/?)  ", tree, flags=re.MULTILINE):
        room = room if indent else name
        told.add(room + name if indent else name)
    folders = {
        f"{path.relative_to(PACKAGE)}/" for path in [*PACKAGE.glob("*/"), *PACKAGE.glob("*/*/")] if path.is_dir()
    }
    folders = {folder for folder in folders if not re.search(r"__pycache__|/\.|^\.", folder)}
    modules = {path.name for path in PACKAGE.glob("*.py")} - {"__main__.py"}
    assert told == folders | modules


def test_who_may_import_whom_is_what_is_checked() -> None:
    [contract] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    told = PAGE.split("## What may import what")[1].split("\n    ")[1:]
    assert [line.split("\n")[0] for line in told] == contract["layers"]


def test_what_is_written_here_stands_where_the_table_says() -> None:
    table = PAGE.split("## What we write ourselves, and why")[1].split("## Words")[0]
    rows = re.findall(r"^\| (.*?) \|", table, flags=re.MULTILINE)[2:]
    for row in rows:
        paths = re.findall(r"`([\w/]+(?:\.py|/))`", row)
        assert paths, row
        for path in paths:
            assert (PACKAGE / path).exists(), path
