from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.corpus.read.formats import Raw, documents
from hornbook.corpus.read.settings import ReadSettings, Source
from hornbook.corpus.read.sources import Found

SOURCE = Source(name="s", path=".")


def read(file: Path, source: Source = SOURCE, maximum: int = 1_000) -> list[tuple[str, str]]:
    found = documents(Found(file, file.name), source, ReadSettings(maximum_line=maximum))
    return [(item.path, "".join(item.blocks) if isinstance(item, Raw) else f"!{item.reason}") for item in found]


CSV = [
    (b"id,text\n1,one\n\n2,two\r\n", ["one", "two"]),
    (b'\xef\xbb\xbfcontent\n"a ""b"", c\r\nd"\n', ['a "b", c\nd']),
    (b"text\n" + b"x" * 2_000 + b"\nlast\n", ["!line too long", "last"]),
    (b'text\n"' + b"x\n" * 800 + b'"\nlast\n', ["!too long"]),
    (b"id,text\n1,one,more\n2\n3,three\n", ["!broken row", "!broken row", "three"]),
    (b'text\n"a" b\nlast\n', ["!broken row", "last"]),
    (b"text\ncaf\xe9\nlast\n", ["!invalid UTF-8", "last"]),
    (b"text\na\0b\nlast\n", ["!NUL bytes", "last"]),
    (b"id,text\n1,\n2, \n", ["!empty", "!only whitespace"]),
    (b"a,b\n1,2\n", ["!no text"]),
    (b"text\n", ["!empty"]),
    (b"", ["!empty"]),
]


@pytest.mark.parametrize(("content", "expected"), CSV)
def test_csv(tmp_path: Path, content: bytes, expected: list[str]) -> None:
    for name, packed in (
        ("a.csv", content),
        ("a.csv.gz", gzip.compress(content)),
        ("a.csv.zst", pa.Codec("zstd").compress(content, asbytes=True)),
    ):
        (tmp_path / name).write_bytes(packed)
        assert [text for _, text in read(tmp_path / name)][: len(expected)] == expected


def test_rows_are_numbered_after_the_names(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,text,body\n1,one,eins\n2,two,zwei\n")
    assert read(tmp_path / "a.csv") == [("a.csv:1", "one"), ("a.csv:2", "two")]
    assert read(tmp_path / "a.csv", Source(name="s", path=".", column="body"))[1] == ("a.csv:2", "zwei")


def test_quotes_in_tsv_are_text_unless_fields_are_quoted(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text('id\ttext\n1\t"Hello," she said.\n2\t"and more\n3\tplain\n')
    assert [text for _, text in read(tmp_path / "a.tsv")] == ['"Hello," she said.', '"and more', "plain"]
    (tmp_path / "b.tsv").write_text('id\ttext\n1\t"two ""lines""\nhere"\n2\t"a\ttab"\n3\tplain\n')
    assert [text for _, text in read(tmp_path / "b.tsv")] == ['two "lines"\nhere', "a\ttab", "plain"]


def test_a_cut_file_keeps_what_came_before(tmp_path: Path) -> None:
    packed = gzip.compress(b"text\n" + b"".join(b"row %d\n" % number**9 for number in range(30_000)))
    (tmp_path / "a.csv.gz").write_bytes(packed[: len(packed) // 2])
    found = read(tmp_path / "a.csv.gz")
    assert found[0] == ("a.csv.gz:1", "row 0")
    assert len(found) > 5_000
    assert found[-1] == ("a.csv.gz", "!corrupt gzip")


@given(
    st.lists(st.text(st.characters(exclude_characters="\0\r", codec="utf-8"), min_size=1).filter(str.strip), min_size=1)
)
def test_what_python_writes_comes_back(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    folder = tmp_path_factory.mktemp("csv")
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerows([["id", "text"], *([str(number), text] for number, text in enumerate(texts))])
    (folder / "a.csv").write_text(stream.getvalue(), encoding="utf-8", newline="")
    assert [text for _, text in read(folder / "a.csv", maximum=100_000)] == texts
