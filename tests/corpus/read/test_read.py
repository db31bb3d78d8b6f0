from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hornbook.corpus.read import read
from hornbook.corpus.read.settings import ReadSettings, Source
from hornbook.documents import document_id
from hornbook.errors import UserError
from hornbook.progress import Progress

Rows = Callable[[Path], list[dict[str, Any]]]


def fill(folder: Path) -> None:
    (folder / "sub").mkdir(parents=True)
    (folder / "good.md").write_text("# Title\n\nSome text.\n")
    (folder / "sub/code.py").write_text("".join(f"def f{n}(x):\n    return x + {n}\n\n\n" for n in range(30)))
    (folder / "rows.jsonl").write_text(json.dumps({"text": "first"}) + "\nbroken\n" + json.dumps({"text": "third"}))
    pq.write_table(pa.table({"text": ["from parquet"]}), folder / "table.parquet")
    (folder / "empty.txt").touch()
    (folder / "latin.txt").write_bytes(b"caf\xe9")
    (folder / "gone.txt").symlink_to("nothing")


def run(tmp_path: Path, *sources: Source, progress: Progress | None = None, **settings: int) -> dict[str, Any]:
    return read(
        sources,
        ReadSettings(**settings),
        base=tmp_path,
        into=tmp_path / "corpus",
        progress=progress or Progress(),
    )


def test_a_folder_becomes_a_corpus(tmp_path: Path, rows_of: Rows) -> None:
    fill(tmp_path / "data")
    figures = run(tmp_path, Source(name="mine", path="data"), maximum_characters=400)
    rows = rows_of(tmp_path / "corpus/documents")
    pieces = [row for row in rows if row["path"].startswith("sub/code.py")]
    assert [row["path"] for row in rows if row not in pieces] == [
        "good.md", "rows.jsonl:1", "rows.jsonl:3", "table.parquet:1",
    ]  # fmt: skip
    assert [row["path"] for row in pieces] == [f"sub/code.py#{n + 1}" for n in range(len(pieces))]
    assert len(pieces) > 2
    assert "".join(row["text"] for row in pieces) == (tmp_path / "data/sub/code.py").read_text()
    assert all(row["id"] == document_id(row["text"]) and row["source"] == "mine" for row in rows)
    removed = rows_of(tmp_path / "corpus/removed")
    assert [(row["path"], row["reason"]) for row in removed] == [
        ("empty.txt", "empty"),
        ("gone.txt", "dangling link"),
        ("latin.txt", "invalid UTF-8"),
        ("rows.jsonl:2", "broken JSON"),
    ]
    assert removed[2]["text"] == "caf\\xe9"
    assert figures["documents"] == len(rows)
    assert figures["characters"] == sum(len(row["text"]) for row in rows)
    assert figures["bytes"] == sum(len(row["text"].encode()) for row in rows)
    assert figures["files"] == 6
    assert figures["sources"]["mine"]["removed"] == 4
    assert figures["removed"] == {"broken JSON": 1, "dangling link": 1, "empty": 1, "invalid UTF-8": 1}


def test_one_line_for_each_thing_left_out(tmp_path: Path, heard: Any) -> None:
    fill(tmp_path / "data")
    run(tmp_path, Source(name="mine[1]", path="data"), progress=heard)
    assert [line.strip() for line in heard.lines] == [
        "mine[1]: empty.txt: empty, left out",
        "mine[1]: gone.txt: dangling link, left out",
        "mine[1]: latin.txt: invalid UTF-8 (unexpected end of data at byte 3), left out",
        "mine[1]: rows.jsonl:2: broken JSON (Expecting value: line 1 column 1 (char 0)), left out",
    ]


def test_files_of_other_kinds_are_said_and_counted(tmp_path: Path, heard: Any) -> None:
    fill(tmp_path / "data")
    assert run(tmp_path, Source(name="mine", path="data"), progress=heard)["unknown"] == {}
    assert not [line for line in heard.lines if "other kinds" in line]
    for name in ("a.png", "b.png", "c.bin", "d.one", "e.two", "f.three", "g.four"):
        (tmp_path / "data" / name).touch()
    figures = run(tmp_path, Source(name="mine", path="data"), Source(name="only", path="data/sub"), progress=heard)
    assert figures["unknown"] == {".bin": 1, ".four": 1, ".one": 1, ".png": 2, ".three": 1, ".two": 1}
    assert "  mine: 7 files of other kinds left out: 2 .png, 1 .bin, 1 .four, 1 .one, 1 .three, 1 more" in heard.lines
    assert not [line for line in heard.lines if line.strip().startswith("only:")]


def test_many_of_a_kind_are_counted(tmp_path: Path, heard: Any) -> None:
    fill(tmp_path / "data")
    for number in range(20):
        (tmp_path / f"data/empty{number}.md").touch()
    run(tmp_path, Source(name="mine", path="data"), progress=heard)
    assert len([line for line in heard.lines if ": empty, left out" in line]) == 5
    assert "  mine: 21 in all left out as 'empty', listed in removed/" in heard.lines


def test_the_same_bytes_whatever_the_order_of_sources(tmp_path: Path) -> None:
    fill(tmp_path / "data")
    fill(tmp_path / "other")
    sources = [Source(name="b", path="data"), Source(name="a", path="other")]
    for name, order in (("one", sources), ("two", sources[::-1])):
        read(order, ReadSettings(), base=tmp_path, into=tmp_path / name, progress=Progress())
    for file in ("documents/part-00000.parquet", "removed/part-00000.parquet"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_split_can_be_off(tmp_path: Path, rows_of: Rows) -> None:
    fill(tmp_path / "data")
    run(tmp_path, Source(name="mine", path="data/sub", split=False), maximum_characters=400)
    assert [row["path"] for row in rows_of(tmp_path / "corpus/documents")] == ["code.py"]


def test_a_share_of_the_documents(tmp_path: Path, rows_of: Rows) -> None:
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps({"text": f"row {n}"}) + "\n" for n in range(2_000)))
    figures = run(tmp_path, Source(name="s", path="rows.jsonl", share=0.25))
    assert 400 < figures["documents"] < 600
    quarter = {row["path"] for row in rows_of(tmp_path / "corpus/documents")}
    run(tmp_path, Source(name="s", path="rows.jsonl", share=0.5))
    assert quarter < {row["path"] for row in rows_of(tmp_path / "corpus/documents")}


def test_the_documentation_is_a_source(tmp_path: Path, rows_of: Rows) -> None:
    figures = run(tmp_path, Source(name="documentation", path="python:documentation"))
    assert figures["documents"] > 50
    assert "if" in {row["path"] for row in rows_of(tmp_path / "corpus/documents")}


def test_the_standard_library_is_a_source(tmp_path: Path, rows_of: Rows) -> None:
    run(tmp_path, Source(name="library", path="python:source", share=0.02))
    assert len(rows_of(tmp_path / "corpus/documents")) > 20


def test_nothing_at_all_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.txt").touch()
    with pytest.raises(UserError, match="no documents in s: 1 empty"):
        run(tmp_path, Source(name="s", path="data"))
    with pytest.raises(UserError, match="does not exist"):
        run(tmp_path, Source(name="s", path="nothing"))
    with pytest.raises(UserError, match="two sources are called 's'"):
        run(tmp_path, Source(name="s", path="data"), Source(name="s", path="nothing"))


def test_documentation_that_is_absent_is_said(tmp_path: Path, heard: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hornbook.corpus.read.documentation", lambda: iter(()))
    fill(tmp_path / "data")
    sources = [Source(name="d", path="python:documentation"), Source(name="mine", path="data")]
    assert run(tmp_path, *sources, progress=heard)["sources"]["d"]["documents"] == 0
    assert heard.lines[0] == "  d: this Python came without its documentation"


LARGE = """
import contextlib, sys
from pathlib import Path
from hornbook import machine
from hornbook.corpus.read import read
from hornbook.corpus.read.settings import ReadSettings, Source
from hornbook.progress import Progress
import pyarrow.parquet
with contextlib.suppress(ImportError):
    import pandas  # pyarrow loads it where it is installed; that is no part of the input
folder = Path(sys.argv[1])
machine.reset_peak_memory()
before = machine.peak_memory()
read([Source(name="s", path="data")], ReadSettings(), base=folder, into=folder / "corpus", progress=Progress())
print(machine.peak_memory() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak can't be set back")
def test_memory_does_not_grow_with_the_input(tmp_path: Path) -> None:
    """Holding 80 MB of input once would be seen; so would a twentieth of five gigabytes."""
    (tmp_path / "data").mkdir()
    text = "".join(f"Sentence {number} of a page that is as long as most pages are. " for number in range(100))
    line = json.dumps({"text": text}) + "\n"
    record = f"WARC/1.0\r\nWARC-Type: conversion\r\nContent-Type: text/plain\r\nContent-Length: {len(text)}\r\n\r\n{text}\r\n\r\n"
    for name, item in (("a.jsonl", line), ("b.wet", record)):
        with (tmp_path / "data" / name).open("w", newline="") as stream:
            for _ in range(40_000_000 // len(item)):
                stream.write(item)
    done = subprocess.run([sys.executable, "-c", LARGE, str(tmp_path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 60_000_000
