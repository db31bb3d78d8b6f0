"""Typed configuration: unknown keys are errors, values do not change, and what is wrong is told in one line."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Self, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from hornbook.errors import UserError, nearest

T = TypeVar("T", bound=BaseModel)


class Settings(BaseModel):
    """A frozen configuration that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)

    def seen_from(self, base: Path) -> Self:
        """The same with paths as they are from here; `base` is where relative ones start."""
        changed: dict[str, Any] = {}
        for name, described in type(self).model_fields.items():
            value = getattr(self, name)
            mark = next((one for one in described.metadata if isinstance(one, PlaceMark)), None)
            seen = _seen(value, base, mark)
            if seen != value:
                changed[name] = seen
        return self.model_copy(update=changed) if changed else self


@dataclass(frozen=True)
class PlaceMark:
    """Marks a setting that names a file or a folder, or several: `Annotated[str, PLACE]`. It may be a name of another
    kind instead, unless it is `always` a path.
    """

    always: bool = False


PLACE, NAME_OR_PLACE = PlaceMark(always=True), PlaceMark()


def _seen(value: Any, base: Path, mark: PlaceMark | None) -> Any:
    if isinstance(value, Settings):
        return value.seen_from(base)
    if isinstance(value, tuple):
        return tuple(_seen(one, base, mark) for one in value)
    if mark is None or not isinstance(value, str) or not value or value.startswith("~"):
        return value
    place = base / value
    # What is only here must not be taken for what is looked for there. (pathlib's raises OSError for long names.)
    there = any(os.path.exists(one) for one in (place, value))  # noqa: PTH110
    return str(place.absolute()) if mark.always or there else value


class SameResult:
    """Marks a setting that changes how work is done, and not what comes of it: `Annotated[int, SAME_RESULT]`.

    It is no part of what is compared to tell whether a result is there already.
    """


SAME_RESULT = SameResult()


def deciding(settings: BaseModel) -> dict[str, Any]:
    """Settings as JSON values, without those that are marked SAME_RESULT, in tables within them too."""

    def beside(model: BaseModel) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, described in type(model).model_fields.items():
            value = getattr(model, name)
            if SAME_RESULT in described.metadata:
                found[name] = True
            elif isinstance(value, BaseModel) and beside(value):
                found[name] = beside(value)
        return found

    return settings.model_dump(mode="json", exclude=beside(settings))


def where_and_what(problem: Mapping[str, Any]) -> tuple[str, str]:
    """One of a ValidationError's `errors()`: the dotted key, empty where no single one is meant, and the message."""
    return ".".join(str(step) for step in problem["loc"]), str(problem["msg"]).removeprefix("Value error, ")


def comma_separated(text: str) -> tuple[str, ...]:
    """The words of an option that takes several: `a, b` is a and b."""
    return tuple(word for one in text.split(",") if (word := one.strip()))


def apply(values: dict[str, Any], override: str) -> None:
    """Set one dotted key: `dotted.key=value` with a TOML value or plain text, as `assign` does.

    Raises UserError for what is no override, and where the key leads nowhere.
    """
    assign(values, *key_and_value(override))


class _Spelled:
    """A number or a date of an override, with how it was written: where a setting is text, that is meant."""

    spelled = ""


class _Int(_Spelled, int): ...


class _Float(_Spelled, float): ...


class _Date(_Spelled, date): ...


def _with_spelling(value: Any, text: str) -> Any:
    made: _Int | _Float | _Date
    if type(value) is int:
        made = _Int(value)
    elif type(value) is float:
        made = _Float(value)
    elif type(value) is date:
        made = _Date(value.year, value.month, value.day)
    else:
        return value
    made.spelled = text.strip()
    return made


def key_and_value(override: str) -> tuple[str, Any]:
    """The dotted key and the value of an override, TOML or a text; `[a, b]` is a list of texts.

    Raises UserError for what is none.
    """
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise UserError(f"{override!r} is no setting; write KEY=VALUE, such as pretrain.phase2.tokens=1M")
    try:
        return key, _with_spelling(tomllib.loads(f"value = {text}")["value"], text)
    except tomllib.TOMLDecodeError:
        words = text.startswith("[") and text.endswith("]") and not set(text[1:-1]) & set("[]{}\"'")
        return key, list(comma_separated(text[1:-1])) if words else text
    except RecursionError:
        raise UserError(f"{key}: the value is nested too deep to be read") from None


def assign(values: dict[str, Any], key: str, value: Any) -> None:
    """Set one dotted key; list items are counted from 0. Raises UserError where the key leads nowhere."""
    *path, last = key.split(".")
    target = _table(values, path)
    if isinstance(target, list):
        _descend(target, last, key)
        target[int(last)] = value
    elif isinstance(target, dict):
        target[last] = value
    else:
        raise UserError(f"{key}: {'.'.join(path)} is a single value, it has no parts")


def extend(values: dict[str, Any], key: str, more: Sequence[Any]) -> None:
    """Let the list at a dotted key go on with `more`. What is there and is no list stays, for validation to tell of.

    Raises UserError where the key leads nowhere.
    """
    *path, last = key.split(".")
    target = _table(values, path)
    before = target.get(last, ()) if isinstance(target, dict) else ()
    if isinstance(before, list | tuple):
        assign(values, key, [*before, *more])


def _table(values: dict[str, Any], path: Sequence[str]) -> Any:
    """Where a path through tables and lists leads; tables that are missing are made."""
    target: Any = values
    for position, step in enumerate(path):
        target = _descend(target, step, ".".join(path[: position + 1]))
    return target


def _descend(target: Any, step: str, where: str) -> Any:
    if isinstance(target, list):
        if not step.isdecimal() or int(step) >= len(target):
            raise UserError(f"{where}: there are {len(target)} items, counted from 0")
        return target[int(step)]
    if isinstance(target, dict):
        if target.get(step) is None:  # a table that may be unset
            target[step] = {}
        return target[step]
    raise UserError(f"{where}: {target!r} is a single value, it has no parts")


def parsed(model: type[T], overrides: Sequence[str], whole: str) -> T:
    """Settings of this kind, all as they are by themselves but for the overrides; see `apply` and `validated`."""
    values: dict[str, Any] = {}
    for override in overrides:
        apply(values, override)
    return validated(model, values, whole)


def validated(model: type[T], values: Mapping[str, Any], whole: str, where: str = "") -> T:
    """Settings of this kind. Raises UserError with one line, `where` in front of it, that names the wrong key and the
    nearest right one; `whole` names what has no single key to blame.

    What an override spelled as a number or a date is text where the setting is: a folder may be called 2024.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        texts = {id(one["input"]) for one in error.errors() if one["type"] in ("string_type", "path_type")}
        spelled = _as_spelled(values, texts)
        if spelled != values:
            return validated(model, spelled, whole, where)
        raise UserError(f"{where}{'; '.join(_explain(error, model, whole))}") from None


def _as_spelled(value: Any, texts: Collection[int]) -> Any:
    """A value in which those of overrides are text that are meant, by their `id`."""
    if isinstance(value, Mapping):
        return {key: _as_spelled(one, texts) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_as_spelled(one, texts) for one in value]
    return value.spelled if isinstance(value, _Spelled) and id(value) in texts else value


def _explain(error: ValidationError, model: type[BaseModel], whole: str) -> Iterator[str]:
    """Each problem as `dotted.key: what is wrong`."""
    for problem in error.errors():
        where, message = where_and_what(problem)
        where = where or whole
        if problem["type"] == "extra_forbidden":
            known = _fields_at(model, problem["loc"][:-1])
            hint = nearest(str(problem["loc"][-1]), known) or f"; it can be {', '.join(sorted(known))}"
            yield f"{where} is not a setting{hint}"
        elif problem["type"] == "missing":
            yield f"{where} is missing"
        elif problem["type"] == "model_type":
            yield f"{where} is a table of settings, not the single value {problem['input']!r}"
        elif problem["type"] in ("list_type", "tuple_type") and isinstance(problem["input"], dict):
            item = next(iter(problem["input"]), "")
            yield f"{where} is a list, {f'and has no item {item} here' if item.isdecimal() else 'not a table'}"
        else:
            given = problem["input"]
            told = isinstance(given, str) and repr(given) in message
            shown = f" (given: {given!r})" if isinstance(given, str | int | float | bool) and not told else ""
            yield f"{where}: {message[0].lower()}{message[1:]}{shown}"


def _fields_at(model: Any, location: Sequence[int | str]) -> list[str]:
    """Names of the settings that exist where `location` leads, through tables, lists and tables of tables."""
    for step in location:
        if isinstance(step, int) or step not in model.model_fields:
            continue  # a number of a list, or any key of a table of tables
        model = next(_models(model.model_fields[step].annotation), model)
    return list(model.model_fields)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The kinds of settings in a type, however deep."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)
