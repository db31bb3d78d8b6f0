"""From a recipe's source to the files it means."""

from __future__ import annotations

import atexit
import codecs
import importlib
import io
import json
import os
import re
import shutil
import sys
import sysconfig
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import BinaryIO

from hornbook.corpus.read.compression import Unpacked
from hornbook.corpus.read.hub import PREFIX, dataset
from hornbook.corpus.read.kinds import KINDS, Foreign, Found, Unreadable, suffix
from hornbook.corpus.read.remote import is_address, listing
from hornbook.corpus.read.settings import STANDARD_INPUT, Source
from hornbook.corpus.read.walk import spelled, walk
from hornbook.documents import DOCUMENTS, is_corpus
from hornbook.errors import UserError, nearest
from hornbook.files import digest_file, digest_value, expanded
from hornbook.records import Record, json_lines
from hornbook.runs import manifest

OWN = ("python:", "hornbook:")  # what paths begin with that name what comes with Python, or with Hornbook
STANDARD_LIBRARY = "python:source"
DOCUMENTATION = "python:documentation"
EVERYDAY = "hornbook:everyday"  # English of many kinds, written for nothing but to measure with

# How files begin.
_PACKED = ((b"\x1f\x8b", ".gz"), (b"BZh", ".bz2"), (b"\xfd7zXZ\0", ".xz"), (b"\x28\xb5\x2f\xfd", ".zst"))
_MAGIC = ((b"PAR1", ".parquet"), (b"ARROW1", ".arrow"), (b"%PDF-", ".pdf"), (b"PK\3\4", ".zip"), (b"WARC/", ".warc"))
_PAGE = re.compile(rb"<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_KEY, _TEXT = rb'\{\s*"(?:[^"\\]|\\.)*"\s*:', rb'"(?:[^"\\]|\\.)*"\s*,'
_JSON = re.compile(rb"%b|\[\s*(?:%b|%b)" % (_KEY, _KEY, _TEXT))  # an object, or an array of these or of texts
_BEGINNING = 1 << 16  # bytes

# Folders of the standard library that are not the standard library.
_NOT_THE_LIBRARY = {
    "site-packages",
    "dist-packages",
    "pydoc_data",  # the documentation as one string literal: python:documentation reads it
}
_TESTS = {"test", "tests", "idle_test"}


def find(source: Source, base: Path) -> list[Found | Unreadable]:
    """The files of a source in the order of their paths.

    Raises UserError when the path does not exist or holds no file of a kind that Hornbook reads.
    """
    return look_through(source, base)[0]


def look_through(source: Source, base: Path) -> tuple[list[Found | Unreadable], Counter[str]]:
    """What `find` finds, and how many files of other kinds there are, by the ending of their names."""
    if source.path.startswith(PREFIX):
        return [_dataset(source)], Counter()
    root = source.path
    listed: Iterable[Found | Unreadable | Foreign]
    if is_address(source.path):
        listed = _remote(source)
    elif source.path == STANDARD_INPUT:
        listed = [_piped(sys.stdin.buffer)]
    else:
        place, leave_out = _root(source, base)
        root = str(place)
        if place.is_fifo():
            listed = [_piped(place)]
        elif place.is_file():
            listed = [Found(place, spelled(place.name))]
        else:
            if is_corpus(place) and manifest.carries(place):  # what was dropped, and told of it, is nothing to read
                leave_out = _beside_documents
            listed = list(walk(place, leave_out, source.links or source.path == STANDARD_LIBRARY))
    items = [item for item in listed if not isinstance(item, Foreign)]
    # What lies in the standard library beside its code is nothing that anyone misses.
    strange = Counter(item.kind for item in listed if isinstance(item, Foreign) and source.path != STANDARD_LIBRARY)
    if not any(isinstance(item, Found) for item in items):
        why = next((f": {item.path}: {item.reason}" for item in items if isinstance(item, Unreadable)), "")
        raise UserError(f"source {source.name!r}: {root} holds no files that are read ({KINDS}){why}")
    return sorted(items, key=lambda item: item.path), strange


def _beside_documents(path: str) -> bool:
    return path.split("/", 1)[0] != DOCUMENTS


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


@cache
def _piped(pipe: BinaryIO | Path) -> Found:
    """What comes through a pipe, kept in a file until this process ends: a pipe can't be read twice. Its kind is seen
    in its first bytes, and the file's time follows from its content, so that the same again is known to be the same.
    """
    handle, name = tempfile.mkstemp(prefix="hornbook-")
    kept = Path(name)
    atexit.register(kept.unlink, missing_ok=True)
    with open(handle, "wb") as file, pipe.open("rb") if isinstance(pipe, Path) else nullcontext(pipe) as stream:  # noqa: PTH123
        shutil.copyfileobj(stream, file)
    time = int(digest_file(kept)[:7], 16)
    os.utime(kept, (time, time))
    return Found(kept, f"stdin{_kind(kept)}")


def _kind(file: Path) -> str:
    """The ending that a file's name should have, by how the file begins."""
    with file.open("rb") as stream:
        content = stream.read(_BEGINNING)
        compression = next((ending for magic, ending in _PACKED if content.startswith(magic)), "")
        if compression:
            stream.seek(0)
            content = Unpacked(stream, compression).read(_BEGINNING) or b""
    known = next((ending for magic, ending in _MAGIC if content.startswith(magic)), "")
    if known or content[257:262] == b"ustar":
        return (known or ".tar") + compression
    text = content.removeprefix(codecs.BOM_UTF8).lstrip()
    if text[:1] in (b"{", b"[") and _is_json(text):
        first = next(json_lines(io.BytesIO(text)), None)
        return (".jsonl" if isinstance(first, Record) and isinstance(first.value, dict) else ".json") + compression
    return (".html" if _PAGE.match(text) else ".txt") + compression


def _is_json(text: bytes) -> bool:
    """Whether what begins so is JSON, and not a text that begins with a bracket. The text may break off."""
    if _JSON.match(text):
        return True
    try:
        return isinstance(json.loads(text), dict | list)
    except (ValueError, RecursionError):
        return False


def _root(source: Source, base: Path) -> tuple[Path, Callable[[str], bool]]:
    """Where a source starts, and which relative paths below it are left out."""
    if source.path == STANDARD_LIBRARY:
        return Path(sysconfig.get_paths()["stdlib"]), _outside_library
    if source.path == EVERYDAY:
        return Path(__file__).parent / "texts" / "everyday.txt", lambda _: False
    if source.path.startswith(OWN):
        known = nearest(source.path, [STANDARD_LIBRARY, DOCUMENTATION, EVERYDAY])
        raise UserError(f"source {source.name!r}: there is no {source.path}{known}")
    root = base / expanded(source.path)
    try:
        is_file, exists = root.is_file(), root.exists()
    except OSError as error:
        raise UserError(f"source {source.name!r}: {root} can't be read: {error.strerror}") from None
    if not exists:
        raise UserError(f"source {source.name!r}: {root} does not exist")
    if not is_file and not root.is_dir() and not root.is_fifo():
        raise UserError(f"source {source.name!r}: {root} is neither a file nor a folder")
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
