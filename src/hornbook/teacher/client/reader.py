"""From an answer's text to the value that was asked for. It is found or it is not; what stands there is never mended.

An answer is JSON by the letter; or one JSON value with words around it; or lines that begin with the fields' names.
Where two readings fit there is none: nobody could say which one was meant.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from hornbook.teacher.client.schema import complaint

TRIED = 100  # opening brackets of a text that are looked at
_THOUGHT = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)  # what reasoning models write before they answer
_FENCED = re.compile(r"\A\s*```(?:json)?[ \t]*\n(.*?)\n?[ \t]*```\s*\Z", re.DOTALL)
_SCALARS = ("string", "integer", "number", "boolean")
_AROUND = " \t\r\n*_`\"',"  # what stands around a field that is written as a line
_NUMBER = re.compile(r"(-?\d+(?:\.\d+)?)(?![\d.]*\d)")  # 3, 3/5, 3 out of 5, 3 points


def without_thought(text: str) -> str:
    """A text without the thoughts that a reasoning model wrote before it."""
    return _THOUGHT.sub("", text, count=1)


def parse(text: str) -> Any:
    """The JSON value that a text is; a thought before it and one fence around it are taken off, nothing else.

    Raises ValueError for what is not JSON by the letter: NaN, a name twice in one object, words around it.
    """
    text = without_thought(text)
    fenced = _FENCED.match(text)
    text = fenced[1] if fenced else text
    try:
        return _whole(json.loads(text, parse_constant=_constant, object_pairs_hook=_object))
    except json.JSONDecodeError as error:
        raise ValueError(f"the answer is not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise ValueError("the answer is nested too deeply") from None


def is_json(text: str) -> bool:
    """Whether `parse` reads a text."""
    try:
        parse(text)
    except ValueError:
        return False
    return True


def read(text: str, schema: Mapping[str, Any], *, cut: bool = False) -> tuple[Any, str]:
    """The value in a text that fits a schema, and why there is none: one of them is None, or empty.

    `cut`: the text ended because it was too long; then only a value that is followed by something else is whole.
    """
    fault = ""
    if not cut:
        try:
            value = parse(text)
        except ValueError as error:
            fault = str(error)
        else:
            wrong = complaint(value, schema)
            return (None, wrong) if wrong else (value, "")
    text = without_thought(text)
    found = list(_values(text, "[" if schema.get("type") == "array" else "{"))
    fitting = _different([value for value, end in found if not complaint(value, schema) and not (cut and end)])
    if len(fitting) == 1:
        return fitting[0], ""
    if len(fitting) > 1:
        return None, "the answer holds several values that fit"
    if not cut and not found:
        lines = _lines(text, schema)
        if lines and not complaint(lines, schema):
            return lines, ""
    return None, complaint(found[0][0], schema) if len(found) == 1 and not cut else fault


def _values(text: str, opening: str) -> Iterator[tuple[Any, bool]]:
    """The JSON values that begin with a bracket, outermost ones only, and whether each is the text's end.

    Newlines within a string, which JSON wants escaped, are read.
    """
    decoder = json.JSONDecoder(parse_constant=_constant, object_pairs_hook=_object, strict=False)
    place = text.find(opening)
    for _ in range(TRIED):
        if place < 0:
            return
        try:
            value, after = decoder.raw_decode(text, place)
            yield _whole(value), not text[after:].strip()
        except json.JSONDecodeError as error:
            after = max(place + 1, error.pos)
        except (ValueError, RecursionError):
            return
        place = text.find(opening, after)


def _lines(text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a flat object from lines such as `Score: 3`, each of them once; empty where they are not there.

    What stands before the first such line is the schema's first field, if that is a text and no line names it.
    """
    fields: Mapping[str, Any] = schema.get("properties", {})
    if not fields or any(field.get("type") not in _SCALARS for field in fields.values()):
        return {}
    names = {re.sub(r"[\s_]+", " ", name).casefold(): name for name in fields}
    known = "|".join(re.escape(name).replace(r"\ ", r"[ _]") for name in names)
    label = re.compile(rf"^[ \t>#*_\"'-]*({known})[ \t*_\"']*[:=]", re.IGNORECASE | re.MULTILINE)
    marks = [(found, names[found[1].replace("_", " ").casefold()]) for found in label.finditer(text)]
    said = [name for _, name in marks]
    if not marks or len(set(said)) != len(said):
        return {}
    ends = [found.start() for found, _ in marks[1:]] + [len(text)]
    words = {name: text[found.end() : end].strip(_AROUND) for (found, name), end in zip(marks, ends, strict=True)}
    first, before = next(iter(fields)), text[: marks[0][0].start()].strip(_AROUND)
    if before and first not in words and fields[first]["type"] == "string":
        words = {first: before} | words
    try:
        return {name: _scalar(said, fields[name]) for name, said in words.items()}
    except ValueError:
        return {}


def _scalar(words: str, field: Mapping[str, Any]) -> Any:
    """A field's value from its words. Raises ValueError where they are none."""
    if field["type"] == "string":
        same = [one for one in field.get("enum", ()) if isinstance(one, str) and one.casefold() == words.casefold()]
        if not words or ("enum" in field and not same):
            raise ValueError("no such word")
        return same[0] if same else words
    if field["type"] == "boolean":
        if words.casefold() not in ("true", "false", "yes", "no"):
            raise ValueError("neither true nor false")
        return words.casefold() in ("true", "yes")
    number = _NUMBER.match(words.partition("\n")[0])
    if number is None:
        raise ValueError("no number")
    return int(number[1]) if "." not in number[1] else float(number[1])


def _different(values: list[Any]) -> list[Any]:
    seen = {json.dumps(value, sort_keys=True): value for value in values}
    return list(seen.values())


def _whole(value: Any) -> Any:
    """A value that can be written again: 1e999 is infinite, \\ud800 half a character."""
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        raise ValueError("the answer has half characters") from None
    except RecursionError:
        raise ValueError("the answer is nested too deeply") from None
    return value


def _constant(name: str) -> Any:
    raise ValueError(f"the answer has {name}, which is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("the answer has one name twice in an object")
    return made
