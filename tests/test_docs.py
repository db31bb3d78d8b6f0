"""The pages tell what is there: links, commands and their options, settings, files."""

from __future__ import annotations

import pkgutil
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import typer
from pydantic import BaseModel

from hornbook import cli
from hornbook.recipe import Recipe, load, locate

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
USERS = [page for page in PAGES if page.name not in ("CHANGELOG.md", "log.md")]  # these two tell of what was
COMMAND: Any = typer.main.get_command(cli.app)


def ids(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"`[^`]*`", "", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        if anchor:
            assert anchor in anchors(there), target


def anchors(page: Path) -> set[str]:
    """What GitHub calls the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    told = set(re.findall(r"\]\(([\w-]+\.md)\)", index))
    assert told == {page.name for page in (ROOT / "docs").glob("*.md")} - {"index.md"}


def commands(page: Path) -> Iterator[list[str]]:
    """Every call of `hornbook` in an indented or fenced block, as a shell would split it."""
    for line in page.read_text(encoding="utf-8").splitlines():
        found = re.match(r"(?:    |\$ )(hornbook .*)$", line)
        if found and not found[1].endswith("'def count_even(values):"):
            yield shlex.split(found[1], comments=True)[1:]


@pytest.mark.parametrize("page", USERS, ids=ids)
def test_commands_have_the_options_that_pages_name(page: Path) -> None:
    for words in commands(page):
        command, rest = COMMAND, list(words)
        while hasattr(command, "commands"):
            assert rest and rest[0] in command.commands, words
            command = command.commands[rest.pop(0)]
        known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        used = {word.partition("=")[0] for word in rest if word.startswith("--")}
        assert used <= known, words


@pytest.mark.parametrize("page", USERS, ids=ids)
@pytest.mark.usefixtures("with_smollm2")
def test_recipes_take_the_settings_that_pages_name(page: Path) -> None:
    for words in commands(page):
        if words[0] in ("run", "plan") and not words[1].endswith(".toml") and words[1] not in ("RECIPE", "NAME"):
            changes = [word for word in words[2:] if re.match(r"[a-z_0-9.]+=", word)]
            if words[1] in [path.stem for path in (ROOT / "recipes").glob("*.toml")]:
                load(locate(words[1])[1], changes)


def settings(page: Path) -> Iterator[str]:
    """The dotted keys of a page's tables of settings; `a.b`, `.c` in one cell is a.b and a.c."""
    text = page.read_text(encoding="utf-8")
    for table in re.findall(r"^\| key \| default \| \|\n\|[-|]+\n((?:\|.*\n)+)", text, flags=re.MULTILINE):
        for row in table.splitlines():
            whole = ""
            for key in re.findall(r"`([^`]+)`", row.split("|")[1]):
                whole = whole.rpartition(".")[0] + key if key.startswith(".") else key
                yield whole


def is_setting(key: str) -> bool:
    """Whether a recipe has this key; N and M stand for a number of a list, * for any key of a table."""
    model: Any = Recipe
    for step in re.sub(r"phaseN", "phase1", key).split("."):
        if step in ("N", "M", "*"):
            continue
        if model is None or step not in model.model_fields:
            return False
        model = next(iter(models_in(model.model_fields[step].annotation)), None)
    return True


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from models_in(argument)


@pytest.mark.parametrize("page", USERS, ids=ids)
def test_settings_are_a_recipes(page: Path) -> None:
    assert [key for key in settings(page) if not is_setting(key)] == []


def test_no_setting_goes_untold() -> None:
    """Every setting of a stage stands in a table of some page, but for the shape of the model."""
    told = {re.sub(r"phaseN", "phase1", key) for page in USERS for key in settings(page)}
    for name in ("read", "grade", "write", "clean", "tokens", "pretrain", "evaluate", "quantize", "samples", "teacher"):
        [model] = set(models_in(Recipe.model_fields[name].annotation))
        for key in model.model_fields:
            assert any(re.fullmatch(f"{name}\\.{key}(\\..*)?", one) for one in told), f"{name}.{key}"


@pytest.mark.parametrize("page", USERS, ids=ids)
def test_files_that_pages_name_are_there(page: Path) -> None:
    for name in re.findall(r"`((?:src|tests|benchmarks|examples|docs|hornbook)/[\w./-]+)`", page.read_text("utf-8")):
        assert (ROOT / ("src" if name.startswith("hornbook/") else "") / name).exists(), name


@pytest.mark.parametrize("page", USERS, ids=ids)
def test_modules_and_what_is_imported_from_them_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    if page.name == "CONTRIBUTING.md":  # what it adds is not there yet; test_contributing.py adds it
        text = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    names = set(re.findall(r"\bhornbook(?:\.\w+)+", text))
    for module, imported in re.findall(r"from (hornbook[\w.]*) import ([\w, ]+)", text):
        names |= {f"{module}.{name.strip()}" for name in imported.split(",")}
    for name in sorted(names):
        assert pkgutil.resolve_name(name) is not None
