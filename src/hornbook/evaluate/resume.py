"""Results that were written before an interruption are not made again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hornbook.errors import UserError
from hornbook.files import read_json, write_json


def done_before(path: Path, key: str | None = None) -> dict[str, Any] | None:
    """The result that `path` holds, if it is whole and was made from the same things (`key`); else None.

    Without a key the folder is the run's own, and whatever lies there was made from the same things.
    """
    if not path.is_file():
        return None
    try:
        found = read_json(path)
    except UserError:
        return None
    if not isinstance(found, dict):
        return None
    if key is None:
        return found
    result: dict[str, Any] | None = found["result"] if found.get("key") == key else None
    return result


def store(path: Path, result: dict[str, Any], key: str | None = None) -> None:
    """Write a result, whole or not at all."""
    write_json(path, result if key is None else {"key": key, "result": result})
