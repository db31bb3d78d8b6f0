"""Files that are whole or absent: every write goes to a temporary name and is renamed, so a kill leaves no half."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hornbook.errors import UserError


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` so that a reader sees the old file or the whole new one."""
    write_parts(path, [data])


def write_parts(path: Path, parts: Iterable[bytes]) -> None:
    """Write bytes that come in parts, one after the other, so that a reader sees the old file or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        for part in parts:
            file.write(part)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def sweep(folder: Path) -> None:
    """Delete what a killed process left anywhere in `folder`: temporary files and half-deleted folders."""
    for path in list(folder.rglob(".*.tmp")):
        path.unlink(missing_ok=True)
    for path in list(folder.rglob(".*.old")):
        shutil.rmtree(path, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON with sorted keys, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def read_toml(path: Path, what: str = "") -> dict[str, Any]:
    """Read TOML. Raises UserError that names the file, with `what` it is in front, when it is unreadable or damaged."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{what}{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{what}{path} is not valid TOML: {error}") from None


def read_json(path: Path) -> Any:
    """Read JSON. Raises UserError naming the file when it is missing, unreadable or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid JSON: {error}") from None


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write one JSON object a line, whole or not at all."""
    write_text(path, "".join(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in rows))


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """Read one JSON object a line. For files that Hornbook wrote; `hornbook.records` reads the user's."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


@dataclass(frozen=True)
class Kept:
    """A result that is there already: any JSON value, null too."""

    result: Any


def kept(path: Path, key: str) -> Kept | None:
    """What a part of some work came to that was done before, `key` naming all that it depends on; None where the file
    holds the result of other work, or nothing that can be read.
    """
    try:
        found = read_json(path)
        return Kept(found["result"]) if found["key"] == key else None
    except (UserError, KeyError, TypeError):
        return None


def keep(path: Path, key: str, result: Any) -> None:
    """Remember what a part of some work came to: an interrupted run does not do it again."""
    write_json(path, {"key": key, "result": result})


def digest_bytes(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def digest_file(path: Path) -> str:
    """SHA-256 of a file's bytes, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_value(value: Any) -> str:
    """SHA-256 of a JSON value, independent of the order of keys."""
    return digest_bytes(json.dumps(value, sort_keys=True, ensure_ascii=False).encode())


def remove_folder(folder: Path) -> None:
    """Delete a folder if it exists; first renamed, so that nobody takes a half-deleted folder for a whole one."""
    if not folder.exists():
        return
    doomed = folder.with_name(f".{folder.name.lstrip('.')}.{os.getpid()}.old")
    shutil.rmtree(doomed, ignore_errors=True)
    folder.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


@contextmanager
def alone(lock: Path, otherwise: str) -> Iterator[None]:
    """Hold the file `lock`, until the process ends at the latest.

    Raises UserError where another process holds it; in what it says, {} stands for that process's number.
    """
    with lock.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            raise UserError(otherwise.replace("{}", file.read().strip())) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
