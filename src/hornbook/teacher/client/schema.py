"""JSON schemas, the part that templates use: objects, arrays, strings, numbers, choices and alternatives.

A keyword that is not known here is an error when the request is made: nothing is taken for checked that is not.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

TYPES = ("object", "array", "string", "integer", "number", "boolean", "null")
CHECKS = (
    "type", "enum", "const", "anyOf", "properties", "required", "additionalProperties", "items", "minItems", "maxItems",
    "minLength", "maxLength", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
)  # fmt: skip
BLANK = "..."
NOTES = ("title", "description", "examples", "default", "$schema")


def reasoned(words: int, /, **verdict: Any) -> dict[str, Any]:
    """Of an object with a `reason` of so many words at most before the fields of a `verdict`.

    The reason stands first, so that the verdict follows from it and not the other way round.
    """
    fields = {"reason": {"type": "string", "description": f"why, in at most {words} words"}, **verdict}
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


def check_schema(schema: Any, where: str = "schema") -> None:
    """Raise ValueError for a schema with anything in it that `complaint` would not check."""
    if not isinstance(schema, Mapping):
        raise ValueError(f"{where} is no object")
    unknown = [name for name in schema if name not in CHECKS and name not in NOTES]
    if unknown:
        raise ValueError(f"{where} has {unknown[0]!r}, which is not checked here; known are {', '.join(CHECKS)}")
    for name in _types(schema):
        if name not in TYPES:
            raise ValueError(f"{where} has the type {name!r}; the types are {', '.join(TYPES)}")
    if not isinstance(schema.get("additionalProperties", False), bool):
        raise ValueError(f"{where} has additionalProperties that is neither true nor false")
    if "pattern" in schema:
        re.compile(schema["pattern"])
    for name, inner in schema.get("properties", {}).items():
        check_schema(inner, f"{where}.{name}")
    if "items" in schema:
        check_schema(schema["items"], f"{where}.items")
    for place, inner in enumerate(schema.get("anyOf", ())):
        check_schema(inner, f"{where}.anyOf[{place}]")


def complaint(value: Any, schema: Mapping[str, Any], where: str = "the answer") -> str:
    """Why `value` does not fit, in words that name the place; empty when it fits.

    An integer is one that is written as one: 3.0 is a number.
    """
    found = _wrong_choice(value, schema, where)
    if found:
        return found
    if isinstance(value, dict):
        return _wrong_object(value, schema, where)
    if isinstance(value, list):
        return _wrong_array(value, schema, where)
    if isinstance(value, str):
        return _wrong_string(value, schema, where)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _wrong_number(value, schema, where)
    return ""


def sample(schema: Mapping[str, Any]) -> Any:
    """An example that says nothing: BLANK for each text, the middle of each range."""
    for fixed in ("const", "enum", "anyOf"):
        if fixed in schema:
            found = schema[fixed] if fixed == "const" else schema[fixed][0]
            return sample(found) if fixed == "anyOf" else found
    kind = next(iter(_types(schema)), "null")
    if kind == "object":
        return {name: sample(inner) for name, inner in schema.get("properties", {}).items()}
    if kind == "array":
        return [sample(schema.get("items", {}))] * max(1, schema.get("minItems", 0))
    low, high = schema.get("minimum", 0), schema.get("maximum", schema.get("minimum", 0))
    plain = {
        "string": BLANK,
        "integer": int(low + high) // 2,
        "number": (low + high) / 2,
        "boolean": True,
        "null": None,
    }
    return plain[kind]


def _types(schema: Mapping[str, Any]) -> tuple[str, ...]:
    named = schema.get("type", ())
    return (named,) if isinstance(named, str) else tuple(named)


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    kinds: dict[str, Any] = {
        "object": dict,
        "array": list,
        "string": str,
        "integer": int,
        "number": int | float,
        "null": type(None),
    }
    return name in kinds and isinstance(value, kinds[name])


def _same(left: Any, right: Any) -> bool:
    """Equality of JSON: true is not 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(_same, left, right))
    if isinstance(left, dict) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(_same(left[name], right[name]) for name in left)
    return bool(left == right)


def _wrong_choice(value: Any, schema: Mapping[str, Any], where: str) -> str:
    types = _types(schema)
    if types and not any(_is(value, name) for name in types):
        return f"{where} is no {' or '.join(types)}"
    if "const" in schema and not _same(value, schema["const"]):
        return f"{where} is not {schema['const']!r}"
    if "enum" in schema and not any(_same(value, one) for one in schema["enum"]):
        return f"{where} is none of {', '.join(map(repr, schema['enum']))}"
    if "anyOf" in schema:
        complaints = [complaint(value, inner, where) for inner in schema["anyOf"]]
        if all(complaints):
            return " and ".join(complaints)
    return ""


def _wrong_object(value: dict[str, Any], schema: Mapping[str, Any], where: str) -> str:
    properties = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            return f"{where} has no {name!r}"
    for name, inner in value.items():
        if name in properties:
            wrong = complaint(inner, properties[name], f"{where}[{name!r}]")
            if wrong:
                return wrong
        elif not schema.get("additionalProperties", True):
            return f"{where} has {name!r}, which was not asked for"
    return ""


def _wrong_array(value: list[Any], schema: Mapping[str, Any], where: str) -> str:
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", math.inf):
        return f"{where} has {len(value)} items"
    for place, inner in enumerate(value):
        wrong = complaint(inner, schema.get("items", {}), f"{where}[{place}]")
        if wrong:
            return wrong
    return ""


def _wrong_string(value: str, schema: Mapping[str, Any], where: str) -> str:
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", math.inf):
        return f"{where} has {len(value)} characters"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        return f"{where} does not match {schema['pattern']!r}"
    return ""


def _wrong_number(value: float, schema: Mapping[str, Any], where: str) -> str:
    if not schema.get("minimum", -math.inf) <= value <= schema.get("maximum", math.inf):
        return f"{where} is {value}, outside its range"
    if not schema.get("exclusiveMinimum", -math.inf) < value < schema.get("exclusiveMaximum", math.inf):
        return f"{where} is {value}, outside its range"
    return ""
