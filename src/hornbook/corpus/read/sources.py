"""From a recipe's source to the files it means."""

from __future__ import annotations

import importlib
import os
import sys
import sysconfig
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from hornbook.corpus.read.hub import PREFIX, HubDataset, dataset
from hornbook.corpus.read.remote import RemoteFile, is_address, listing
from hornbook.corpus.read.settings import Source
from hornbook.errors import UserError, nearest
from hornbook.files import digest_value

STANDARD_LIBRARY = "python:source"
DOCUMENTATION = "python:documentation"

# Endings of files that are read. Those of COMPRESSIBLE may have one of COMPRESSIONS after them.
PROSE = (".txt", ".md", ".markdown", ".rst")
CODE = (
    *(".py", ".pyi", ".js", ".mjs", ".jsx", ".ts", ".tsx", ".java", ".c", ".h", ".cc", ".cpp", ".hpp", ".cs", ".go"),
    *(".rs", ".rb", ".php", ".pl", ".lua", ".jl", ".r", ".scala", ".kt", ".swift", ".hs", ".ml", ".clj", ".ex", ".erl"),
    *(".lisp", ".el", ".scm", ".sql", ".sh"),
)
PAGES = (".html", ".htm", ".xhtml")
ARCHIVES = (".warc", ".wet")
TABLES = (".parquet", ".arrow")
RECORDS = (".jsonl", ".json", ".csv", ".tsv")
COMPRESSIBLE = (*RECORDS, *PROSE, *CODE, *PAGES, *ARCHIVES)
COMPRESSIONS = (".gz", ".zst")
KINDS = "text, Markdown, source code, .jsonl, .json, .csv, .tsv, .parquet, .arrow, .html, .warc or .wet"

# Folders of the standard library that are not the standard library.
_NOT_THE_LIBRARY = {
    "site-packages",
    "dist-packages",
    "pydoc_data",  # the documentation as one string literal: python:documentation reads it
}
_TESTS = {"test", "tests", "idle_test"}


@dataclass(frozen=True)
class Found:
    """A file to read, and its path relative to the source's root with forward slashes."""

    file: Path | RemoteFile | HubDataset
    path: str

    def open(self) -> BinaryIO:
        """The file's bytes, as they are, as a stream that can be sought in. Raises OSError."""
        return self.file.open("rb")


@dataclass(frozen=True)
class Foreign:
    """A file of a kind that is not read: its relative path."""

    path: str

    @property
    def kind(self) -> str:
        """The ending of its name, with how it is compressed (.tar.gz), in lower case."""
        endings = PurePosixPath(self.path.lower()).suffixes
        compressed = endings[-1:] and endings[-1] in COMPRESSIONS
        return "".join(endings[-2:] if compressed else endings[-1:]) or "without ending"


@dataclass(frozen=True)
class Unreadable:
    """A folder or file that can't be looked into: its relative path and why."""

    path: str
    reason: str


def find(source: Source, base: Path) -> list[Found | Unreadable]:
    """The files of a source in the order of their paths.

    Raises UserError when the path does not exist or holds no file of a kind that Hornbook reads.
    """
    return look_through(source, base)[0]


def look_through(source: Source, base: Path) -> tuple[list[Found | Unreadable], Counter[str]]:
    """What `find` finds, and how many files of other kinds there are, by the ending of their names."""
    if source.path.startswith(PREFIX):
        return [_dataset(source)], Counter()
    if is_address(source.path):
        root, listed = source.path, _remote(source)
    else:
        place, leave_out = _root(source, base)
        root, listed = str(place), [Found(place, place.name)] if place.is_file() else list(_walk(place, leave_out))
    items = [item for item in listed if not isinstance(item, Foreign)]
    # What lies in the standard library beside its code is nothing that anyone misses.
    strange = Counter(item.kind for item in listed if isinstance(item, Foreign) and source.path != STANDARD_LIBRARY)
    if not any(isinstance(item, Found) for item in items):
        why = next((f": {item.path}: {item.reason}" for item in items if isinstance(item, Unreadable)), "")
        raise UserError(f"source {source.name!r}: {root} holds no {KINDS} files{why}")
    return sorted(items, key=lambda item: item.path), strange


def fingerprint(sources: Iterable[Source], base: Path) -> dict[str, str]:
    """For each source one hash of its files' paths, sizes and times: when it changes, the source is read again.

    What lies elsewhere is taken to stay as it is: its address alone counts, so that a finished run needs no network.
    """
    prints = {}
    for source in sources:
        if source.path.startswith(PREFIX) or is_address(source.path):
            prints[source.name] = source.path
            continue
        if source.path == DOCUMENTATION:
            prints[source.name] = sys.version
            continue
        stats = [(item.path, item.file.stat()) for item in find(source, base) if isinstance(item, Found)]
        prints[source.name] = digest_value([[path, stat.st_size, stat.st_mtime_ns] for path, stat in stats])
    return prints


def documentation() -> Iterator[tuple[str, str]]:
    """The interpreter's built-in help topics as (topic, text), in order; none where Python came without them."""
    try:
        topics = importlib.import_module("pydoc_data.topics").topics
    except (ImportError, AttributeError):
        return
    if isinstance(topics, Mapping):
        yield from sorted((str(name), text) for name, text in topics.items() if isinstance(text, str))


def ending(path: str) -> tuple[str, str]:
    """What a file's name says that it is, how it is compressed: (".jsonl", ".gz"), (".md", ""); ("", "") if nothing."""
    name = path.lower()
    compression = next((known for known in COMPRESSIONS if name.endswith(known)), "")
    bare = name.removesuffix(compression)
    allowed = COMPRESSIBLE if compression else (*COMPRESSIBLE, *TABLES)
    known = bare[bare.rfind(".") :] if "." in bare else ""
    return (known, compression) if known in allowed else ("", "")


def suffix(path: str) -> str:
    """The ending that a file's name has if it is one that is read, compression included, or an empty string."""
    return "".join(ending(path))


def _dataset(source: Source) -> Found:
    """Raises UserError for a malformed name."""
    named = dataset(source.path)
    if named is None:
        raise UserError(
            f"source {source.name!r}: {source.path} should be hf:NAME, hf:NAME@SPLIT or hf:NAME#CONFIG@SPLIT"
        )
    return Found(named, named.name)


def _remote(source: Source) -> list[Found | Unreadable | Foreign]:
    """The files at an address. Raises UserError when it can't be listed."""
    try:
        listed = listing(source.path)
    except OSError as error:
        raise UserError(f"source {source.name!r}: {source.path} can't be listed: {error.strerror}") from None
    return [Found(file, path) if suffix(path) else Foreign(path) for file, path in listed]


def _root(source: Source, base: Path) -> tuple[Path, Callable[[str], bool]]:
    """Where a source starts, and which relative paths below it are left out."""
    if source.path == STANDARD_LIBRARY:
        return Path(sysconfig.get_paths()["stdlib"]), _outside_library
    if source.path.startswith("python:"):
        known = nearest(source.path, [STANDARD_LIBRARY, DOCUMENTATION])
        raise UserError(f"source {source.name!r}: there is no {source.path}{known}")
    root = base / Path(source.path).expanduser()
    try:
        is_file, exists = root.is_file(), root.exists()
    except OSError as error:
        raise UserError(f"source {source.name!r}: {root} can't be read: {error.strerror}") from None
    if not exists:
        raise UserError(f"source {source.name!r}: {root} does not exist")
    if is_file and not suffix(root.name):
        raise UserError(f"source {source.name!r}: {root} is none of {KINDS}")
    return root, lambda _: False


def _outside_library(path: str) -> bool:
    """Whether a file or folder below the standard library's root is not part of it: packages, builds, test data."""
    *above, name = path.split("/")
    if "." in name:  # a file, or the folder of a build, such as config-3.13-darwin
        return not name.endswith(".py")
    test_data = not _TESTS.isdisjoint(above) and ("data" in name or name == "encoded_modules")
    return test_data or name in _NOT_THE_LIBRARY


def _walk(root: Path, leave_out: Callable[[str], bool]) -> Iterator[Found | Unreadable | Foreign]:
    """Every file below `root`. Hidden names are skipped, links to folders are not followed."""
    refused: list[OSError] = []
    for folder, folders, files in os.walk(root, onerror=refused.append):
        here = Path(folder).relative_to(root).as_posix()
        prefix = "" if here == "." else f"{here}/"
        folders[:] = [name for name in folders if not (name.startswith(".") or leave_out(prefix + name))]
        for name in files:
            if name.startswith(".") or leave_out(prefix + name):
                continue
            path = _spelled(prefix + name)
            yield _look(Path(folder) / name, path) if suffix(name) else Foreign(path)
    for error in refused:
        path = Path(error.filename).relative_to(root).as_posix()
        yield Unreadable(_spelled(path), f"unreadable: {error.strerror}")


def _look(file: Path, path: str) -> Found | Unreadable:
    try:
        if file.is_file():
            return Found(file, path)
    except OSError as error:
        return Unreadable(path, f"unreadable: {error.strerror}")
    return Unreadable(path, "dangling link" if file.is_symlink() else "not a regular file")


def _spelled(path: str) -> str:
    """A path whose bytes are not UTF-8, made printable."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
