"""A stage's settings from the command line: bare KEY=VALUE with the recipe's dotted keys, and the flags it declares."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hornbook.errors import UserError
from hornbook.runs import single
from hornbook.runs.stage import Flag, Stage
from hornbook.settings import Settings

if TYPE_CHECKING:
    from hornbook.recipe import Recipe

S = TypeVar("S", bound=Settings)

_OVERRIDE = re.compile(r"[A-Za-z_][\w.]*=")


def is_override(word: str) -> bool:
    """Whether an argument is KEY=VALUE and no path: a folder may be called `lang=en`."""
    return _OVERRIDE.match(word) is not None and not is_there(word)


def is_there(word: str) -> bool:
    """Whether an argument is the path of something; one that is too long for a name is none."""
    return os.path.exists(word)  # noqa: PTH110 (pathlib's raises OSError for those)


def settings_of(
    stage: Stage[S],
    overrides: Sequence[str] = (),
    *,
    recipe: str | None = None,
    given: Mapping[str, Any] | None = None,
) -> S:
    """The stage's settings: those of a `recipe` (a name or a file) where one is named, changed by the overrides and
    then by what is `given` by dotted key, the flags. A key of the stage's own table may leave out the table's name.

    Relative paths of a recipe start where it says, all others here. Raises UserError with one line that names the wrong
    key and the nearest right one.
    """
    start = None if recipe is None else stage.of_recipe(_seen_from_here(recipe))
    if recipe is not None and start is None:
        raise UserError(f"the recipe {recipe} has no stage {stage.name}")
    return single.settings_of(stage, given or {}, overrides, start=start)


def _seen_from_here(recipe: str) -> Recipe:
    """A recipe whose paths start from here, as those of the command line do."""
    from hornbook.recipe import base_of, load, locate

    path = locate(recipe)[1]
    found = load(path)
    base = base_of(path, found)
    return found if base.resolve() == Path.cwd() else found.seen_from(base)


def flag_values(flags: Sequence[Flag], options: Mapping[str, Any]) -> dict[str, Any]:
    """What flags were given on the command line, by dotted key. options: values by the flag's name."""
    given = {flag.key: options.get(flag.name) for flag in flags}
    return {key: value for key, value in given.items() if value is not None and value is not False and value != []}
