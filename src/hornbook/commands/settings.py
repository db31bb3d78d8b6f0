"""A stage's settings from the command line: bare KEY=VALUE with the recipe's dotted keys, and the flags it declares."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from hornbook.errors import UserError, nearest
from hornbook.recipe import load, locate
from hornbook.runs.stage import Flag, Stage, key_of
from hornbook.settings import Settings, apply, validated

S = TypeVar("S", bound=Settings)

_OVERRIDE = re.compile(r"[A-Za-z_][\w.]*=")


def is_override(word: str) -> bool:
    """Whether an argument is KEY=VALUE and no path."""
    return _OVERRIDE.match(word) is not None


def settings_of(
    stage: Stage[S],
    overrides: Sequence[str] = (),
    *,
    recipe: str | None = None,
    given: Mapping[str, Any] | None = None,
) -> S:
    """The stage's settings: those of a `recipe` (a name or a file) where one is named, changed by what is `given` by
    dotted key, and then by the overrides. A key of the stage's own table may leave out the table's name.

    Raises UserError with one line that names the wrong key and the nearest right one.
    """
    values: dict[str, Any] = {}
    if recipe is not None:
        found = stage.of_recipe(load(locate(recipe)[1]))
        if found is None:
            raise UserError(f"the recipe {recipe} has no stage {stage.name}")
        values = found.model_dump()
    for key, value in (given or {}).items():
        _set(values, _in_fields(stage, key), value)
    for override in overrides:
        key, equals, text = override.partition("=")
        apply(values, f"{_in_fields(stage, key)}{equals}{text}")
    return validated(stage.settings, values, stage.name)


def flag_values(flags: Sequence[Flag], options: Mapping[str, Any]) -> dict[str, Any]:
    """What flags were given on the command line, by dotted key. options: values by the flag's name."""
    return {flag.key: options[flag.name] for flag in flags if options.get(flag.name) not in (None, [], False)}


def _set(values: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key; a list goes on from the one that is there."""
    *path, last = key.split(".")
    for step in path:
        values = values.setdefault(step, {})
    before = values.get(last)
    values[last] = [*before, *value] if isinstance(before, list | tuple) else value


def _in_fields(stage: Stage[Any], key: str) -> str:
    """A recipe's dotted key, or one of the stage's own table, as a path through the stage's settings."""
    fields = stage.settings.model_fields
    first = key.split(".", maxsplit=1)[0]
    if first in fields:
        return key
    for name in fields:
        path = key_of(stage.settings, name)
        if key == path or key.startswith(f"{path}."):
            return f"{name}{key.removeprefix(path)}"
    if stage.name in fields:
        return f"{stage.name}.{key}"
    keys = [key_of(stage.settings, name) for name in fields]
    raise UserError(f"{key} is no setting of `hornbook {stage.name}`{nearest(key, keys)}; it has {', '.join(keys)}")
