from __future__ import annotations

import bz2
import gzip
import io
import os
import sys
import types
from pathlib import Path

import pytest

from hornbook.corpus.read.formats import Raw, documents
from hornbook.corpus.read.kinds import Found, Unreadable, suffix
from hornbook.corpus.read.settings import ReadSettings, Source
from hornbook.corpus.read.sources import documentation, find, fingerprint, look_through
from hornbook.errors import UserError


def paths(source: Source, base: Path) -> list[str]:
    return [item.path for item in find(source, base)]


def test_a_folder_is_walked_in_order_without_hidden_and_foreign_files(tmp_path: Path) -> None:
    for name in ("b.md", "a/z.PY", "a.txt", "a/.hidden/x.md", ".x.txt", "c.jsonl.gz", "d.gz", "e.bin", "f.parquet"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert paths(Source(name="s", path="."), tmp_path) == ["a.txt", "a/z.PY", "b.md", "c.jsonl.gz", "f.parquet"]


def test_files_of_other_kinds_are_counted_by_their_endings(tmp_path: Path) -> None:
    for name in ("a.txt", "b.PNG", "sub/c.png", "d.iso.gz", "e.gz", "Makefile", ".hidden.bin", "v1.2.bin"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    found, strange = look_through(Source(name="s", path="."), tmp_path)
    assert [item.path for item in found] == ["a.txt"]
    assert strange == {".png": 2, ".iso.gz": 1, ".gz": 1, "without ending": 1, ".bin": 1}
    assert not look_through(Source(name="s", path="python:source"), tmp_path)[1]


def test_a_single_file_and_an_absolute_path(tmp_path: Path) -> None:
    (tmp_path / "one.md").write_text("x")
    assert paths(Source(name="s", path=str(tmp_path / "one.md")), Path("/nowhere")) == ["one.md"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nothing", "nothing does not exist"),
        ("empty", "holds no"),
        ("x.bin", "is none of"),
        ("python:sauce", "python:source"),
    ],
)
def test_a_useless_source_is_named(tmp_path: Path, path: str, message: str) -> None:
    (tmp_path / "empty/.hidden").mkdir(parents=True)
    (tmp_path / "empty/.hidden/a.txt").write_text("x")
    (tmp_path / "x.bin").write_text("x")
    with pytest.raises(UserError, match=message) as caught:
        find(Source(name="mine", path=path), tmp_path)
    assert "'mine'" in str(caught.value)
    assert "\n" not in str(caught.value)


def told(source: Source, base: Path) -> dict[str, str]:
    """What is found by path: the reason where it can't be read."""
    return {item.path: "" if isinstance(item, Found) else item.reason for item in find(source, base)}


def test_links_are_followed_inside_the_source_once(tmp_path: Path) -> None:
    source, outside = tmp_path / "source", tmp_path / "outside"
    for name in ("source/good.txt", "source/.hidden/a.txt", "source/sub/b.txt", "source/blob", "outside/c.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    os.mkfifo(source / "pipe.txt")
    links = {
        "linked.txt": source / "good.txt",
        "gone.txt": source / "nothing",
        "circle.txt": source / "circle.txt",
        "up": source,
        "sub/again": source / "sub",
        "seen": source / ".hidden",
        "seen too": source / ".hidden",
        "named.txt": source / "blob",
        "device.txt": Path("/dev/null"),
        "out": outside,
        "out.txt": outside / "c.txt",
        "data.bin": outside / "c.txt",
    }
    for name, target in links.items():
        (source / name).symlink_to(target)
    expected = {
        "good.txt": "",
        "sub/b.txt": "",
        "pipe.txt": "not a regular file",
        "linked.txt": "link to what is read already",
        "gone.txt": "dangling link",
        "circle.txt": "link in a circle",
        "up": "link to what is read already",
        "sub/again": "link to what is read already",
        "seen/a.txt": "",
        "seen too": "link to what is read already",
        "named.txt": "",
        "device.txt": "link to a device, a pipe or a socket",
        "out": "link out of the source",
        "out.txt": "link out of the source",
    }
    assert told(Source(name="s", path="source"), tmp_path) == expected
    asked = told(Source(name="s", path="source", links=True), tmp_path)
    followed = {"out/c.txt": "", "out.txt": "link to what is read already"}
    assert asked == {name: why for name, why in expected.items() if name != "out"} | followed
    (tmp_path / "root").symlink_to(source)
    assert told(Source(name="s", path="root"), tmp_path) == expected


def test_a_folder_that_may_not_be_entered_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "closed").mkdir()
    (tmp_path / "good.txt").write_text("x")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert find(Source(name="s", path="."), tmp_path)[0] == Unreadable("closed", "unreadable: Permission denied")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_names_that_are_not_utf8_are_spelled_out(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/caf\xe9.txt", "w") as file:  # noqa: PTH123
        file.write("x")
    (item,) = find(Source(name="s", path="."), tmp_path)
    assert item.path == "caf\\xe9.txt"
    assert isinstance(item, Found)
    assert item.file.read_text() == "x"


def test_the_standard_library() -> None:
    found = paths(Source(name="library", path="python:source"), Path("/nowhere"))
    assert {"json/decoder.py", "textwrap.py", "collections/__init__.py"} <= set(found)
    assert len(found) > 300
    assert all(path.endswith(".py") for path in found)
    assert not [path for path in found if "site-packages" in path or path.startswith("pydoc_data/")]
    assert not [path for path in found if "/data/" in path or "/encoded_modules/" in path]


def test_the_documentation() -> None:
    topics = dict(documentation())
    assert "statement" in topics["if"]
    assert list(topics) == sorted(topics)


@pytest.mark.parametrize("topics", [None, ["a", "b"], {"if": 3}])
def test_documentation_in_another_layout_is_none(monkeypatch: pytest.MonkeyPatch, topics: object) -> None:
    module = types.ModuleType("pydoc_data.topics")
    if topics is not None:
        module.topics = topics  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", module)
    assert list(documentation()) == []


def test_documentation_that_is_absent_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    assert list(documentation()) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.jsonl.gz", ".jsonl.gz"),
        ("A.MD", ".md"),
        ("a.gz", ""),
        ("py", ""),
        ("a.warc.gz", ".warc.gz"),
        ("a.HTML", ".html"),
        ("a.rs.zst", ".rs.zst"),
        ("a.parquet.gz", ""),
        ("a.json.zst", ".json.zst"),
        ("a.TSV", ".tsv"),
        ("a.ndjson.bz2", ".ndjson.bz2"),
        ("a.tgz", ".tar.gz"),
        ("a.zip", ".zip"),
        ("a.zip.gz", ""),
    ],
)
def test_suffix(name: str, expected: str) -> None:
    assert suffix(name) == expected


def test_a_fingerprint_changes_with_the_files(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.txt").write_text("x")
    sources = [Source(name="mine", path="data"), Source(name="topics", path="python:documentation")]
    before = fingerprint(sources, tmp_path)
    assert fingerprint(sources, tmp_path) == before
    (tmp_path / "data/b.txt").write_text("y")
    after = fingerprint(sources, tmp_path)
    assert after["mine"] != before["mine"]
    assert after["topics"] == before["topics"]


@pytest.mark.parametrize(
    ("content", "ending", "texts"),
    [
        (b'{"text": "one"}\n{"text": "two"}\n', ".jsonl", ["one", "two"]),
        (gzip.compress(b'[{"text": "one"},\n{"text": "two"}]'), ".json.gz", ["one", "two"]),
        (b"plain", ".txt", ["plain"]),
        (b"[1] A footnote\nabout it.", ".txt", ["[1] A footnote\nabout it."]),
        (b"{sic} a text", ".txt", ["{sic} a text"]),
        (b'["So," she said.', ".txt", ['["So," she said.']),
        (b'[{"text": "one"}, {"text": "two', ".json", ["one"]),
        (b'{"text":\n"' + b"one " * 30_000 + b'"}', ".json", None),
        (b'["a", "b"]', ".json", []),
        (b"[1,\n2]", ".json", []),
        (bz2.compress(b"plain"), ".txt.bz2", ["plain"]),
        (b"<!DOCTYPE html><html><body><p>" + b"A page has text that is read. " * 20, ".html", None),
    ],
    ids=["lines", "array.gz", "text", "note", "brace", "quote", "cut", "long", "texts", "numbers", "text.bz2", "page"],
)
def test_what_comes_through_a_pipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, ending: str, texts: list[str] | None
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    source = Source(name="s", path="-")
    (found,) = find(source, tmp_path)
    assert isinstance(found, Found)
    assert found.path == f"stdin{ending}"
    assert find(source, tmp_path) == [found]
    if texts is not None:
        assert [
            "".join(one.blocks) for one in documents(found, source, ReadSettings()) if isinstance(one, Raw)
        ] == texts
    before = fingerprint([source], tmp_path)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert fingerprint([source], tmp_path) == before
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"other")))
    assert fingerprint([source], tmp_path) != before


def test_what_is_neither_a_file_nor_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="neither a file nor a folder"):
        find(Source(name="s", path="/dev/null"), tmp_path)
