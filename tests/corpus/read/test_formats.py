from __future__ import annotations

import bz2
import codecs
import gzip
import io
import json
import lzma
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from hornbook.corpus.read.formats import Bad, Raw, documents
from hornbook.corpus.read.kinds import Found
from hornbook.corpus.read.settings import ReadSettings, Source

SOURCE = Source(name="s", path=".")
SETTINGS = ReadSettings(maximum_line=1_000)


def read(file: Path, source: Source = SOURCE, settings: ReadSettings = SETTINGS) -> list[tuple[str, str]]:
    """(path, text) of documents and (path, "!" + reason) of what is bad."""
    found = documents(Found(file, file.name), source, settings)
    return [(item.path, "".join(item.blocks) if isinstance(item, Raw) else f"!{item.reason}") for item in found]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"plain text\n", "plain text\n"),
        (b"\xef\xbb\xbfwith a mark", "with a mark"),
        (b"dos\r\nlines\r\n", "dos\nlines\n"),
        ("naïve – ☃\n".encode(), "naïve – ☃\n"),
        (b"", "!empty"),
        (b" \n\t\r\n", "!only whitespace"),
        (b"\xef\xbb\xbf\n", "!only whitespace"),
        (b"caf\xe9\n", "café\n"),
        (b"caf\xff\n", "!invalid UTF-8"),
        (b"a \xe9 b \xe8 c", "!invalid UTF-8"),
        ("Grüße – und Bücher\r\n".encode("cp1252"), "Grüße – und Bücher\n"),
        ("Привет, как дела? Всё хорошо.".encode("cp1251"), "Привет, как дела? Всё хорошо."),
        ("größer ".encode() * 9 + b"caf\xe9 ", "!invalid UTF-8"),
        ("naïve ☃\r\n".encode("utf-16"), "naïve ☃\n"),
        (codecs.BOM_UTF16_BE + "naïve ☃\n".encode("utf-16-be"), "naïve ☃\n"),
        ("naïve 𝄞\n".encode("utf-32"), "naïve 𝄞\n"),
        (codecs.BOM_UTF16_LE, "!empty"),
        (b"good\n" * 10 + "☃".encode()[:2], "!invalid UTF-8"),
        (b"a\0b", "!NUL bytes"),
        ("utf-16".encode("utf-16-le"), "!NUL bytes"),
        (b"short\n" + b"x" * 1_001 + b"\nshort\n", "!line too long"),
        (b"x" * 1_000 + b"\n" + b"y" * 1_000, "x" * 1_000 + "\n" + "y" * 1_000),
    ],
)
@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.rst", "a.py"])
def test_text(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    assert read(file) == [(name, expected)]


def test_a_bad_text_says_where(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(b"x" * 600 + b"\n" + b"caf\xff " * 3)
    (bad,) = documents(Found(file, "a.txt"), SOURCE, SETTINGS)
    assert isinstance(bad, Bad)
    assert bad.detail == "invalid start byte at byte 604"
    assert bad.text.endswith("caf\\xff " * 3)


@given(st.text(min_size=1).filter(lambda text: text.strip("\ufeff").strip() and "\0" not in text and "\r" not in text))
def test_text_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.mktemp("text") / "a.txt"
    file.write_bytes(text.encode())
    assert read(file) == [("a.txt", text.removeprefix("\ufeff"))]


def test_a_whole_text_has_a_limit_when_it_is_not_split(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("short line\n" * 200)
    assert read(file, Source(name="s", path=".", split=False)) == [("a.txt", "!too long")]
    assert len(read(file)[0][1]) == 2_200


JSONL = b"\n".join(
    [
        b'{"text": "one"}',
        b"",
        b'{"text": "broken',
        b'{"content": "four", "id": 4}',
        b'{"text": "' + b"x" * 2_000 + b'"}',
        b"[1, 2]",
        b'{"body": "no text"}',
        b'{"text": 3}',
        b'{"text": "caf\xe9"}',
        b'{"text": "nul \\u0000"}',
        b'{"text": "half \\ud800"}',
        b'{"text": "  "}',
        b'{"text": ""}',
        b"[" * 900,
        b'{"text": ' + b"9" * 990,
        b'{"text": "last"}',
    ]
)
JSONL_READ = [
    (1, "one"),
    (3, "!broken JSON"),
    (4, "four"),
    (5, "!line too long"),
    (6, "!broken JSON"),
    (7, "!no text"),
    (8, "!no text"),
    (9, "!invalid UTF-8"),
    (10, "!NUL bytes"),
    (11, "!invalid Unicode"),
    (12, "!only whitespace"),
    (13, "!empty"),
    (14, "!broken JSON"),
    (15, "!broken JSON"),
    (16, "last"),
]


def test_good_lines_survive_beside_bad_ones(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(JSONL)
    assert read(file) == [(f"a.jsonl:{line}", text) for line, text in JSONL_READ]


def test_packed_lines(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl.gz"
    file.write_bytes(gzip.compress(JSONL))
    assert read(file) == [(f"a.jsonl.gz:{line}", text) for line, text in JSONL_READ]


def test_lines_packed_with_zstd(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl.zst"
    packed = pa.Codec("zstd").compress(JSONL, asbytes=True)
    file.write_bytes(packed)
    assert read(file) == [(f"a.jsonl.zst:{line}", text) for line, text in JSONL_READ]
    rows = "".join(json.dumps({"text": f"row {number} {number**9}"}) + "\n" for number in range(5_000)).encode()
    half = pa.Codec("zstd").compress(rows[: len(rows) // 2], asbytes=True)
    other = pa.Codec("zstd").compress(rows[len(rows) // 2 :], asbytes=True)
    file.write_bytes(half + other)
    assert len(read(file)) == 5_000
    file.write_bytes((half + other)[: len(half) + len(other) // 2])
    found = read(file)
    assert found[-1] == ("a.jsonl.zst", "!corrupt zstd")
    assert len(found) > 2_500


def test_packed_text_and_source_code(tmp_path: Path) -> None:
    for name, kind in (("a.md.gz", "prose"), ("b.rs.gz", "code"), ("c.py.gz", "python")):
        (tmp_path / name).write_bytes(gzip.compress("naïve\r\ntext\n".encode()))
        (raw,) = documents(Found(tmp_path / name, name), SOURCE, SETTINGS)
        assert isinstance(raw, Raw)
        assert ("".join(raw.blocks), raw.kind) == ("naïve\ntext\n", kind)
    (tmp_path / "d.txt.gz").write_bytes(gzip.compress(b"text " * 100)[:-9])
    assert read(tmp_path / "d.txt.gz") == [("d.txt.gz", "!corrupt gzip")]


def test_a_truncated_gzip_keeps_what_came_before(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl.gz"
    rows = "".join(json.dumps({"text": f"row {number}"}) + "\n" for number in range(50_000))
    packed = gzip.compress(rows.encode())
    file.write_bytes(packed[: len(packed) // 2])
    found = read(file)
    assert found[0] == ("a.jsonl.gz:1", "row 0")
    assert len(found) > 1_000
    assert found[-1] == ("a.jsonl.gz", "!corrupt gzip")
    file.write_bytes(b"not packed at all")
    assert read(file) == [("a.jsonl.gz", "!corrupt gzip")]


@pytest.mark.parametrize("ending", [".gz", ".zst", ".bz2", ".xz"])
def test_every_record_before_the_end_of_damaged_lines(tmp_path: Path, ending: str) -> None:
    rows = "".join(json.dumps({"text": f"row {number**7}"}) + "\n" for number in range(6_000)).encode()
    pack = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstd.compress}[ending]
    checked = zstd.compress(rows, options={zstd.CompressionParameter.checksum_flag: 1})
    name = f"a.jsonl{ending}"
    for damaged in ((checked if ending == ".zst" else pack(rows))[:-1], pack(rows) + b"garbage"):
        (tmp_path / name).write_bytes(damaged)
        found = read(tmp_path / name)
        assert len(found) == 6_001
        assert found[-1][0] == name
        assert found[-1][1].startswith("!corrupt ")


def test_empty_files_of_every_kind(tmp_path: Path) -> None:
    for name in ("a.jsonl", "a.txt"):
        (tmp_path / name).touch()
        assert read(tmp_path / name) == [(name, "!empty")]
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b""))
    assert read(tmp_path / "a.jsonl.gz") == [("a.jsonl.gz", "!empty")]
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == [("a.parquet", "!empty")]


@given(
    st.binary(max_size=300),
    st.sampled_from(
        [
            ".jsonl",
            ".jsonl.gz",
            ".jsonl.zst",
            ".json",
            ".csv",
            ".tsv.gz",
            ".parquet",
            ".arrow",
            ".txt",
            ".txt.gz",
            ".warc",
            ".wet.gz",
        ]
    ),
)
def test_any_bytes_give_documents_or_reasons(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, ending: str
) -> None:
    file = tmp_path_factory.mktemp("bytes") / f"a{ending}"
    file.write_bytes(content)
    found = read(file)
    assert found or not content.strip()
    for _, text in found:
        text.encode("utf-8")


def table(count: int = 300) -> Any:
    return pa.table({"id": list(range(count)), "content": [f"row {number} " * 40 for number in range(count)]})


def test_parquet(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    rows = ["one", None, "", " ", "nul \0", "x" * 1_001, "last"]
    pq.write_table(pa.table({"text": rows}), file, row_group_size=3)
    expected = ["one", "!no text", "!empty", "!only whitespace", "!NUL bytes", "!too long", "last"]
    assert read(file) == [(f"a.parquet:{row}", text) for row, text in enumerate(expected, start=1)]


def test_parquet_with_text_that_is_not_utf8(tmp_path: Path) -> None:
    column = pa.array([b"good", b"caf\xe9"]).view(pa.string())
    pq.write_table(pa.table({"text": column}), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == [("a.parquet:1", "good"), ("a.parquet:2", "!invalid UTF-8")]


def test_the_column_can_be_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["no"], "body": ["yes"]}), tmp_path / "a.parquet")
    (tmp_path / "a.jsonl").write_text('{"text": "no", "body": "yes"}')
    for name in ("a.parquet", "a.jsonl"):
        assert read(tmp_path / name, Source(name="s", path=".", column="body")) == [(f"{name}:1", "yes")]
        assert read(tmp_path / name, Source(name="s", path=".", column="other"))[0][1] == "!no text"


def test_a_truncated_parquet_is_one_bad_file(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    pq.write_table(table(), file)
    file.write_bytes(file.read_bytes()[:-100])
    assert read(file) == [("a.parquet", "!corrupt parquet")]


def test_a_corrupt_row_group_leaves_the_others(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    pq.write_table(table(), file, row_group_size=100, compression="zstd")
    group = pq.ParquetFile(file).metadata.row_group(1).column(1)
    content = bytearray(file.read_bytes())
    start = group.dictionary_page_offset or group.data_page_offset
    content[start : start + group.total_compressed_size] = b"\xff" * group.total_compressed_size
    file.write_bytes(content)
    found = read(file)
    assert ("a.parquet", "!corrupt parquet") in found
    rows = [path for path, text in found if not text.startswith("!")]
    assert rows == [f"a.parquet:{row}" for row in (*range(1, 101), *range(201, 301))]


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.txt", "a.jsonl"):
        (tmp_path / name).write_text("x")

    def refuse(self: Path, *_: object, **__: object) -> io.BytesIO:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    for name in ("a.txt", "a.jsonl"):
        assert list(documents(Found(tmp_path / name, name), SOURCE, SETTINGS)) == [
            Bad(name, "unreadable", "Permission denied")
        ]


HUGE = """
import sys
from pathlib import Path
from hornbook import machine
from hornbook.corpus.read.formats import documents, Raw
from hornbook.corpus.read.settings import ReadSettings, Source
from hornbook.corpus.read.kinds import Found
machine.reset_peak_memory()
before = machine.peak_memory()
file = Path(sys.argv[1])
items = list(documents(Found(file, file.name), Source(name="s", path="."), ReadSettings()))
print([getattr(item, "reason", item.path) for item in items])
print((machine.peak_memory() - before) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured in other units")
@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.txt"])
def test_a_line_of_200_megabytes_is_not_held(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    with gzip.open(file, "wb", compresslevel=1) if name.endswith("gz") else file.open("wb") as stream:
        stream.write(b'{"text": "good"}\n{"text": "')
        for _ in range(200):
            stream.write(b"x" * 1_000_000)
        stream.write(b'"}\n{"text": "good"}\n')
    done = subprocess.run([sys.executable, "-c", HUGE, str(file)], capture_output=True, text=True, check=True)
    found, kilobytes = done.stdout.splitlines()
    expected = ["line too long"] if name == "a.txt" else [f"{name}:1", "line too long", f"{name}:3"]
    assert found == str(expected)
    assert int(kilobytes) < 100_000
