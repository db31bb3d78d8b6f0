from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from hornbook.teacher.client.schema import check_schema, complaint

GRADE = {
    "type": "object",
    "properties": {
        "reason": {"type": "string", "minLength": 1, "maxLength": 10},
        "score": {"type": "integer", "minimum": 0, "maximum": 5},
        "tags": {"type": "array", "items": {"enum": ["a", "b", 1]}, "minItems": 1, "maxItems": 2},
        "note": {"anyOf": [{"type": "null"}, {"type": "string", "pattern": "^x"}]},
        "share": {"type": ["number", "null"], "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        "sure": {"const": True},
    },
    "required": ["reason", "score"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, ""),
        ({"tags": ["a", 1], "note": "xyz", "share": 0.5, "sure": True}, ""),
        ({"share": None, "note": None}, ""),
        ({"score": 6}, "the answer['score'] is 6, outside its range"),
        ({"score": -1}, "outside its range"),
        ({"score": 3.0}, "is no integer"),
        ({"score": True}, "is no integer"),
        ({"score": "3"}, "is no integer"),
        ({"score": None}, "is no integer"),
        ({"reason": ""}, "has 0 characters"),
        ({"reason": "x" * 11}, "has 11 characters"),
        ({"tags": []}, "has 0 items"),
        ({"tags": ["a", "b", "a"]}, "has 3 items"),
        ({"tags": ["c"]}, "the answer['tags'][0] is none of 'a', 'b', 1"),
        ({"tags": [True]}, "is none of"),
        ({"note": "y"}, "does not match '^x'"),
        ({"note": 3}, "is no null and"),
        ({"share": 0}, "outside its range"),
        ({"share": 1.0}, "outside its range"),
        ({"sure": 1}, "is not True"),
        ({"more": 1}, "has 'more', which was not asked for"),
    ],
)
def test_complaints(change: dict[str, Any], words: str) -> None:
    check_schema(GRADE)
    found = complaint({"reason": "why", "score": 3} | change, GRADE)
    assert words in found and bool(found) == bool(words)


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_what_is_no_number_in_json_is_out_of_every_range(value: float) -> None:
    assert "outside its range" in complaint(value, {"type": "number"})


def test_what_is_required_is_missed() -> None:
    assert complaint({"score": 3}, GRADE) == "the answer has no 'reason'"
    assert complaint([], GRADE) == "the answer is no object"
    assert complaint(3, {}) == ""


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "patternProperties": {}},
        {"type": "text"},
        {"properties": {"a": {"oneOf": []}}},
        {"items": {"format": "date"}},
        {"anyOf": [{"type": "string"}, {"not": {}}]},
        {"additionalProperties": {"type": "string"}},
        {"items": []},
    ],
)
def test_a_schema_that_would_not_be_checked_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="schema"):
        check_schema(schema)


JSON = some.recursive(
    some.none()
    | some.booleans()
    | some.integers()
    | some.floats(allow_nan=False, allow_infinity=False)
    | some.text(max_size=5),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def schema_of(value: Any) -> dict[str, Any]:
    """The narrowest schema that a value fits."""
    if isinstance(value, dict):
        inner = {name: schema_of(one) for name, one in value.items()}
        return {"type": "object", "properties": inner, "required": list(value), "additionalProperties": False}
    if isinstance(value, list):
        return {"type": "array", "items": {"anyOf": [schema_of(one) for one in value]}} if value else {"maxItems": 0}
    return {"const": value}


@given(JSON, JSON)
def test_a_value_fits_its_own_schema_and_no_other_does(value: Any, other: Any) -> None:
    schema = schema_of(value)
    check_schema(schema)
    assert complaint(value, schema) == ""
    if not isinstance(value, list | dict) and not isinstance(other, list | dict) and repr(value) != repr(other):
        assert complaint(other, schema) or value == other
