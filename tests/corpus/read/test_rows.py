from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.corpus.read.formats import Bad, Raw, documents
from hornbook.corpus.read.kinds import Found
from hornbook.corpus.read.records import records
from hornbook.corpus.read.settings import ReadSettings, Source
from hornbook.records import Record

SOURCE = Source(name="s", path=".")


def read(file: Path, source: Source = SOURCE, maximum: int = 3_000_000) -> list[tuple[str, str]]:
    found = documents(Found(file, file.name), source, ReadSettings(maximum_line=maximum))
    return [(item.path, "".join(item.blocks) if isinstance(item, Raw) else f"!{item.reason}") for item in found]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'[{"text": "one"}, {"content": "two"}]', ["one", "two"]),
        (b'\xef\xbb\xbf [ {"text": "[one]"}\n,{"text":"{two"}]\n', ["[one]", "{two"]),
        (b'{"text": "one", "more": [1, 2]}', ["one"]),
        (b'{"text": "one"}\n{"text": "two"}\n', ["one", "two"]),
        (b'[{"text": "one"}, 3, {"body": ""}, {"text": " "}]', ["one", "!broken JSON", "!no text", "!only whitespace"]),
        (b'[{"text": "one"} {"text": "two"}]', ["one", "!broken JSON"]),
        (b'[{"text": "one"}] more', ["one", "!broken JSON"]),
        (b'[{"text": "one"}, {"text": "two', ["one", "!broken JSON"]),
        (b'[{"text": "one"},]', ["one", "!broken JSON"]),
        (b'{"text": "caf\xe9"}', ["!invalid UTF-8"]),
        (b"[" + b"[" * 100_000, ["!broken JSON"]),
        (b"[]", ["!empty"]),
        (b" \n", ["!empty"]),
    ],
)
def test_what_json_holds(tmp_path: Path, content: bytes, expected: list[str]) -> None:
    for name, packed in (
        ("a.json", content),
        ("a.json.gz", gzip.compress(content)),
        ("a.json.zst", pa.Codec("zstd").compress(content, asbytes=True)),
    ):
        (tmp_path / name).write_bytes(packed)
        found = read(tmp_path / name)
        assert [text for _, text in found] == expected
        for number, (path, text) in enumerate(found, start=1):
            assert path in ((f"{name}:{number}",) if text[:1] != "!" else (f"{name}:{number}", name))


def test_objects_over_the_ends_of_blocks(tmp_path: Path) -> None:
    texts = [f"{number} " + 'long \\ "text" ☃ ' * (number % 7) * 9_000 for number in range(30)]
    (tmp_path / "a.json").write_text(json.dumps([{"text": text} for text in texts]))
    assert [text for _, text in read(tmp_path / "a.json")] == texts
    (tmp_path / "b.json").write_text(json.dumps([{"text": "x"}, {"text": texts[6] * 8}]))
    assert [text for _, text in read(tmp_path / "b.json")] == ["x", "!too long"]


def test_a_column_can_be_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"text": "no", "body": "yes"}]')
    assert read(tmp_path / "a.json", Source(name="s", path=".", column="body")) == [("a.json:1", "yes")]


@given(
    st.lists(st.dictionaries(st.text(max_size=3), st.text() | st.floats(allow_nan=False)), max_size=4),
    st.integers(0, 60),
)
def test_any_array_whole_or_cut(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, object]], cut: int
) -> None:
    file = tmp_path_factory.mktemp("json") / "a.json"
    rows = [{**row, "text": f"row {number}"} for number, row in enumerate(rows)]
    file.write_text(json.dumps(rows))
    assert [text for _, text in read(file)] == ([row["text"] for row in rows] or ["!empty"])
    whole = file.read_bytes()
    file.write_bytes(whole[: min(cut, len(whole) - 1)])
    assert [text for _, text in read(file)][-1].startswith("!")


def test_json_in_utf16(tmp_path: Path) -> None:
    for name, text in (
        ("a.jsonl", '{"text": "naïve ☃"}\n{"text": "two"}\n'),
        ("b.json", '[{"text": "naïve ☃"}, {"text": "two"}]'),
    ):
        (tmp_path / name).write_bytes(text.encode("utf-16"))
        assert [text for _, text in read(tmp_path / name)] == ["naïve ☃", "two"]


def test_one_bad_record_of_an_array_costs_itself(tmp_path: Path) -> None:
    rows = [{"text": f"row {number} ☃"} for number in range(1_000)]
    for name, indent in (("a.json", None), ("b.json", 2)):
        whole = json.dumps(rows, ensure_ascii=False, indent=indent).encode()
        (tmp_path / name).write_bytes(whole.replace(b"row 999 ", b"row 999\xff"))
        found = read(tmp_path / name)
        assert [text for _, text in found] == [*(row["text"] for row in rows[:999]), "!invalid UTF-8"]
        (tmp_path / name).write_bytes(whole.replace(b"row 400 ", b"row 400\xff"))
        texts = [text for _, text in read(tmp_path / name)]
        assert texts[400] == "!invalid UTF-8"
        assert texts[:400] + texts[401:] == [row["text"] for number, row in enumerate(rows) if number != 400]


@pytest.mark.parametrize("array", [True, False])
@pytest.mark.parametrize("indent", [None, 2])
def test_reading_goes_on_where_values_stand_on_lines(tmp_path: Path, array: bool, indent: int | None) -> None:
    rows = [{"text": f"row {number}", "more": {"text": "inside", "deeper": [{"text": "no"}]}} for number in range(9)]
    parts = [json.dumps(row, indent=indent) for row in rows]
    parts[3] = parts[3].replace('"row 3"', '"row 3" oh')
    parts[7] = parts[7][:-1]  # not closed: this and the next one can't be told apart
    whole = "[\n" + ",\n".join(parts) + "\n]" if array else "\n".join(parts)
    (tmp_path / "a.json").write_text(whole)
    found = read(tmp_path / "a.json")
    broken = "!broken JSON"
    assert [text for _, text in found] == [
        "row 0",
        "row 1",
        "row 2",
        broken,
        "row 4",
        "row 5",
        "row 6",
        broken,
        "row 8",
    ]
    assert found[3][0] == "a.json:4"


def test_a_cut_array_keeps_what_came_before(tmp_path: Path) -> None:
    packed = gzip.compress(json.dumps([{"text": f"row {number**9}"} for number in range(3_000)]).encode())
    (tmp_path / "a.json.gz").write_bytes(packed[: len(packed) // 2])
    found = read(tmp_path / "a.json.gz")
    assert found[-1] == ("a.json.gz", "!corrupt gzip")
    assert found[:2] == [("a.json.gz:1", "row 0"), ("a.json.gz:2", "row 1")]
    assert len(found) > 1_000


def test_memory_does_not_grow_with_an_array(tmp_path: Path, peak: Callable[[str, Path], int]) -> None:
    row = json.dumps({"text": "word " * 2_000})
    with (tmp_path / "a.json").open("w") as stream:
        stream.write("[" + row)
        for _ in range(6_000):
            stream.write("," + row)
        stream.write("]")
    used = peak(
        "assert sum(1 for _ in hornbook.corpus.read.formats.documents(found, hornbook.corpus.read.settings.Source(name='s', "
        "path='.'), hornbook.corpus.read.settings.ReadSettings())) == 6_001",
        tmp_path / "a.json",
    )
    assert used < 30_000_000


def read_table(file: Path, source: Source = SOURCE, maximum: int = 1_000) -> list[tuple[str, str]]:
    return read(file, source, maximum)


CSV = [
    (b"id,text\n1,one\n\n2,two\r\n", ["one", "two"]),
    (b'\xef\xbb\xbfcontent\n"a ""b"", c\r\nd"\n', ['a "b", c\nd']),
    (b"text\n" + b"x" * 2_000 + b"\nlast\n", ["!line too long", "last"]),
    (b'text\n"' + b"x\n" * 800 + b'"\nlast\n', ["!too long"]),
    (b"id,text\n1,one,more\n2\n3,three\n", ["!broken row", "!broken row", "three"]),
    (b'text\n"a" b\nlast\n', ["!broken row", "last"]),
    (b"text\ncaf\xff\nlast\n", ["!invalid UTF-8", "last"]),
    (b"text\ncaf\xe9\nlast\n", ["café", "last"]),
    ("text\nnaïve ☃\nlast\n".encode("utf-16"), ["naïve ☃", "last"]),
    ("text\nПривет\nкак дела\n".encode("cp1251"), ["Привет", "как дела"]),
    ("text\nGrüße\n".encode() + b"caf\xe9\n", ["Grüße", "!invalid UTF-8"]),
    (b"text\na\0b\nlast\n", ["!NUL bytes", "last"]),
    (b"id,text\n1,\n2, \n", ["!empty", "!only whitespace"]),
    (b"a,b\n1,2\n", ["!no text"]),
    (b"text\n", ["!empty"]),
    (b"", ["!empty"]),
]


def test_what_is_left_out_of_a_table_is_kept_for_a_look(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b'text\n"a" b\n' + b"x" * 2_000 + b"\nlast\n")
    found = list(documents(Found(tmp_path / "a.csv", "a.csv"), SOURCE, ReadSettings(maximum_line=1_000)))
    assert [one.text for one in found if isinstance(one, Bad)] == ['"a" b\n', "x" * 1_001]


@pytest.mark.parametrize(("content", "expected"), CSV)
def test_csv(tmp_path: Path, content: bytes, expected: list[str]) -> None:
    for name, packed in (
        ("a.csv", content),
        ("a.csv.gz", gzip.compress(content)),
        ("a.csv.zst", pa.Codec("zstd").compress(content, asbytes=True)),
    ):
        (tmp_path / name).write_bytes(packed)
        assert [text for _, text in read_table(tmp_path / name)][: len(expected)] == expected


def test_rows_are_numbered_after_the_names(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,text,body\n1,one,eins\n2,two,zwei\n")
    assert read_table(tmp_path / "a.csv") == [("a.csv:1", "one"), ("a.csv:2", "two")]
    assert read_table(tmp_path / "a.csv", Source(name="s", path=".", column="body"))[1] == ("a.csv:2", "zwei")


def test_the_second_column_of_a_name_does_not_take_the_first_ones_place(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,text,text.1,text\none,two,three,four\n")
    assert read_table(tmp_path / "a.csv") == [("a.csv:1", "one")]
    found = Found(tmp_path / "a.csv", "a.csv")
    told = {"text": "one", "text.1": "two", "text.1.1": "three", "text.2": "four"}
    assert [one.value for one in records(found) if isinstance(one, Record)] == [told]


def test_quotes_in_tsv_are_text_unless_fields_are_quoted(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text('id\ttext\n1\t"Hello," she said.\n2\t"and more\n3\tplain\n')
    assert [text for _, text in read_table(tmp_path / "a.tsv")] == ['"Hello," she said.', '"and more', "plain"]
    (tmp_path / "b.tsv").write_text('id\ttext\n1\t"two ""lines""\nhere"\n2\t"a\ttab"\n3\tplain\n')
    assert [text for _, text in read_table(tmp_path / "b.tsv")] == ['two "lines"\nhere', "a\ttab", "plain"]


def test_a_cut_file_keeps_what_came_before(tmp_path: Path) -> None:
    packed = gzip.compress(b"text\n" + b"".join(b"row %d\n" % number**9 for number in range(30_000)))
    (tmp_path / "a.csv.gz").write_bytes(packed[: len(packed) // 2])
    found = read_table(tmp_path / "a.csv.gz")
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
    assert [text for _, text in read_table(folder / "a.csv", maximum=100_000)] == texts
