"""Files that are whole or absent: every write goes to a temporary name and is renamed, so a kill leaves no half."""

from __future__ import annotations

import errno
import fcntl
import glob
import hashlib
import io
import json
import os
import re
import shutil
import stat
import tomllib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from hornbook.errors import UserError


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` so that a reader sees the old file or the whole new one."""
    write_parts(path, [data])


def write_parts(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    """Write bytes that come in parts, one after the other, so that a reader sees the old file or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as temporary, temporary.open("wb") as file:
        for part in parts:
            file.write(part)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Where to write a file that becomes `path` when the block ends. Where writing fails, nothing of it stays.

    An OSError that comes out of it names the file: that of a full disk does not, by itself.
    """
    temporary = temporary_of(path)
    try:
        with naming(path):
            yield temporary
        temporary.replace(path)
    except (Exception, KeyboardInterrupt):
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an OSError of writing `path` name it: that of a full disk does not by itself, pyarrow's has no number."""
    try:
        yield
    except OSError as error:
        told = re.search(r"\[errno (\d+)\]", str(error), re.IGNORECASE)
        number = error.errno or (int(told[1]) if told else None)
        if number is None or error.filename is not None:
            raise
        raise OSError(number, os.strerror(number), str(path)) from None


def temporary_of(path: Path, ending: str = "tmp") -> Path:
    """What a file or folder is called until it is whole, or (ending "old") while it is deleted.

    The name carries a hash of all the rest of it, so that nothing that others named so is ever taken for ours.
    """
    return path.with_name(f".{path.name}.{os.getpid()}.{_seal(path.name, str(os.getpid()), ending)}.{ending}")


def is_leftover(path: Path) -> bool:
    """Whether something has a name of `temporary_of`, by this process or one before it."""
    found = _TEMPORARY.fullmatch(path.name)
    return found is not None and found["seal"] == _seal(found["name"], found["process"], found["ending"])


def _seal(name: str, process: str, ending: str) -> str:
    return digest_bytes(os.fsencode(f"hornbook {ending} {process} {name}"))[:16]


_TEMPORARY = re.compile(r"\.(?P<name>.+)\.(?P<process>\d+)\.(?P<seal>[0-9a-f]{16})\.(?P<ending>tmp|old)", re.DOTALL)


def sweep(folder: Path) -> None:
    """Delete what a killed process left anywhere in `folder`: temporary files and half-deleted folders."""
    for path in list(folder.rglob(".*")):
        _delete_leftover(path)


def sweep_beside(path: Path) -> None:
    """Delete what a killed process left of `path` itself, beside it."""
    for one in list(path.parent.glob(f"{glob.escape(f'.{path.name}.')}*")):
        found = _TEMPORARY.fullmatch(one.name)
        if found is not None and found["name"] == path.name:
            _delete_leftover(one)


def _delete_leftover(path: Path) -> None:
    if not is_leftover(path):
        return
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def expanded(path: Path | str) -> Path:
    """A path whose `~` or `~user` is a home, as the shell has it. Raises UserError where there is none."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise UserError(f"{path}: there is no home of that name; write the path out") from None


def folders_in(place: Path) -> list[Path]:
    """The folders in a place by name, without hidden ones; none where there is no such place."""
    if not place.is_dir():
        return []
    return sorted(one for one in place.iterdir() if one.is_dir() and not one.name.startswith("."))


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all; half a surrogate pair is spelled as JSON does: see `in_utf8`."""
    write_bytes(path, in_utf8(text))


def in_utf8(text: str) -> bytes:
    r"""Text in UTF-8. Half a surrogate pair, which UTF-8 can't hold, becomes \ud83d: in JSON that is the same again."""
    return text.encode("utf-8", "backslashreplace")


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
    except RecursionError:
        raise UserError(f"{what}{path} is nested too deep to be read") from None


def read_json(path: Path) -> Any:
    """Read JSON. Raises UserError naming the file when it is missing, unreadable or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, UnicodeDecodeError) as error:  # also of a number with too many digits
        raise UserError(f"{path} is not valid JSON: {error}") from None
    except RecursionError:
        raise UserError(f"{path} is nested too deep to be read") from None


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
    holds the result of other work, or is damaged.
    """
    try:
        found = read_json(path)
        same = found["key"] == key and found["sum"] == digest_value([key, found["result"]])
        return Kept(found["result"]) if same else None
    except (UserError, KeyError, TypeError):
        return None


def keep(path: Path, key: str, result: Any) -> None:
    """Remember what a part of some work came to, with a checksum: an interrupted run does not do it again."""
    write_json(path, {"key": key, "result": result, "sum": digest_value([key, result])})


def made_once(path: Path, key: str, make: Callable[[], Any]) -> Any:
    """What `make` comes to, as JSON gives it back: what is kept there for the key, or else made and kept."""
    found = kept(path, key)
    if found is None:
        keep(path, key, make())
        found = kept(path, key)
        assert found is not None, "what was kept is there"
    return found.result


def seal(path: Path, scratch: Path) -> None:
    """Remember in `scratch` what a file that is part of a result holds, for `sealed` in an interrupted run."""
    keep(scratch / "sums" / f"{path.name}.json", path.name, digest_file(path))


def sealed(path: Path, scratch: Path) -> bool:
    """Whether a file is there that is to the last bit what it was at its `seal`."""
    before = kept(scratch / "sums" / f"{path.name}.json", path.name)
    return before is not None and path.is_file() and before.result == digest_file(path)


class CheckedWriter:
    """A file that is written once, from its beginning, and knows the checksum of what was written."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._sum = file, hashlib.sha256()

    def write(self, data: bytes | memoryview) -> int:
        """Write all of `data`; returns its bytes."""
        self._sum.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        """Hand to the system what is still held."""
        self._file.flush()

    def close(self) -> None:
        """Write the checksum behind the data, and wait until all of it lies on the disk."""
        self._file.write(self._sum.digest())
        self._file.flush()
        os.fsync(self._file.fileno())


@contextmanager
def checked_writer(path: Path) -> Iterator[CheckedWriter]:
    """Write what an interrupted run goes on from, without holding all of it: `read_checked` reads it again.

    The file that was there is replaced when the block ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as temporary, temporary.open("wb") as file:
        writer = CheckedWriter(file)
        yield writer
        writer.close()


def write_checked(path: Path, data: bytes | memoryview) -> None:
    """Write what an interrupted run goes on from: `data`, and behind it its checksum."""
    with checked_writer(path) as file:
        file.write(data)


def read_checked(path: Path) -> memoryview | None:
    """What `write_checked` wrote; None where there is no such file, or one byte of it is another."""
    try:
        stored = memoryview(path.read_bytes())
    except FileNotFoundError:
        return None
    data, check = stored[:-32], stored[-32:]
    return data if hashlib.sha256(data).digest() == check else None


def digest_bytes(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def digest_file(path: Path) -> str:
    """SHA-256 of a file's bytes, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_value(value: Any) -> str:
    """SHA-256 of a JSON value, independent of the order of keys."""
    return digest_bytes(in_utf8(json.dumps(value, sort_keys=True, ensure_ascii=False)))


def remove_folder(folder: Path) -> None:
    """Delete a folder of ours if it is there; renamed first, so that nobody takes a half-deleted one for whole."""
    if not folder.exists():
        return
    doomed = temporary_of(folder, "old")
    shutil.rmtree(doomed, ignore_errors=True)
    folder.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


@contextmanager
def alone(lock: Path, otherwise: str) -> Iterator[None]:
    """Hold the file `lock`, until the process ends at the latest.

    Raises UserError where another process holds it ({} stands for that process's number in what it says), and where
    the file is not one that this function made: that one stays as it is.
    """
    with _opened_lock(lock) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(otherwise.replace("{}", file.read().removeprefix(_LOCKED).strip())) from None
        file.truncate(0)
        file.seek(0)
        file.write(f"{_LOCKED}{os.getpid()}\n")
        file.flush()
        yield


@contextmanager
def in_turn(lock: Path) -> Iterator[None]:
    """Hold the file `lock` as `alone` does, but wait for it where another process holds it."""
    with _opened_lock(lock) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


_LOCKED = "hornbook "


@contextmanager
def _opened_lock(lock: Path) -> Iterator[IO[str]]:
    """A lock's file, open at its start, where it is ours or new. A link is never followed, a pipe never waited for."""
    foreign = UserError(f"{lock} is no lock of Hornbook's; move it away")
    try:
        file = os.fdopen(
            os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666), "r+", -1, "latin-1"
        )
    except OSError as error:
        if error.errno in (errno.EISDIR, errno.ELOOP, errno.ENXIO) or isinstance(error, io.UnsupportedOperation):
            raise foreign from None
        raise
    with file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode) or not re.fullmatch(rf"({_LOCKED}\d+\s*)?", file.read(64)):
            raise foreign
        file.seek(0)
        yield file
