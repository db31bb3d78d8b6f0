"""What a record holds beside its text: columns that go with the document through every stage.

Values are text, numbers and truth values; what is nested is kept as JSON. Names that Hornbook gives are not taken:
`id` becomes `original_id`, or `original_id_2` where a record has such a column, too.
"""

from __future__ import annotations

import datetime
import itertools
import json
import math
from collections.abc import Collection, Mapping
from typing import Any

from hornbook.documents import COLUMNS, ORIGINAL, REST

_MOST = 100  # columns of one record; what else it has becomes one
_TAKEN = (*COLUMNS, ORIGINAL, REST)
_LARGEST = 1 << 63  # beyond which parquet has no whole numbers

Value = str | bool | int | float


def kept_columns(record: Mapping[str, Any], text: str, keep: Collection[str] | None) -> dict[str, Value]:
    """The columns of a record but for the one that holds the text; of those in `keep` only, if that is given."""
    found: dict[str, Value] = {}
    rest: dict[str, Any] = {}
    for name, value in record.items():
        if name == text or value is None or (keep is not None and name not in keep):
            continue
        plain = _plain(value)
        if plain is None:
            continue
        ours = _name(str(name), plain)
        if not ours:
            continue
        ours = _free(ours, found, rest, record if ours != name else ())
        if len(found) < _MOST:
            found[ours] = float(plain) if ours == "score" else plain
        else:
            rest[ours] = plain
    if rest:
        found[REST] = json.dumps(rest, ensure_ascii=False)
    return found


def _name(name: str, value: Value) -> str:
    """The name of a column: another one where stages would take it for theirs."""
    name = _utf8(name).replace("\0", "").strip()
    if name == "score" and not _is_number(value):
        return "original_score"
    if name == "language" and not isinstance(value, str):
        return "original_language"
    return f"original_{name}" if name in _TAKEN else name


def _free(name: str, *others: Collection[str]) -> str:
    """The name, or with a number behind it where it is that of another column."""
    names = (name if number == 1 else f"{name}_{number}" for number in itertools.count(1))
    return next(one for one in names if not any(one in some for some in others))


def _is_number(value: Value) -> bool:
    if isinstance(value, bool):
        return False
    try:
        return math.isfinite(float(value))
    except (ValueError, OverflowError):
        return False


def _plain(value: Any) -> Value | None:
    """A value that every parquet reader knows; None for what is no text at all, such as a picture."""
    if isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if -_LARGEST <= value < _LARGEST else str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return None
    if isinstance(value, Mapping | list | tuple):
        try:
            value = json.dumps(value, ensure_ascii=False, default=_told)
        except (ValueError, RecursionError, TypeError):
            return None
    elif isinstance(value, datetime.date | datetime.time):
        value = value.isoformat()
    return _utf8(str(value))


def _told(value: Any) -> str:
    return "" if isinstance(value, bytes | bytearray | memoryview) else str(value)


def _utf8(text: str) -> str:
    """The text, half surrogate pairs spelled out."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text
