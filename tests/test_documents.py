from __future__ import annotations

import errno
import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.documents import (
    COLUMNS,
    REMOVED,
    REMOVED_CHARACTERS,
    CorpusWriter,
    ShardWriter,
    corpus_schema,
    document_id,
    document_schema,
    ids_that_begin,
    is_held_out,
    merge,
    normalise,
    read_batches,
    read_rows,
    removed_row,
    removed_schema,
    rows_where,
    shards,
)
from hornbook.errors import UserError


def row(number: int) -> dict[str, str]:
    return {"id": f"{number:032d}", "text": f"text {number} " * 10, "source": "s", "path": f"{number}.txt"}


def test_rows_come_back_in_order_from_many_files(tmp_path: Path) -> None:
    rows = [row(number) for number in range(100)]
    with ShardWriter(tmp_path / "documents", document_schema(), group_bytes=500, file_bytes=2_000) as writer:
        for one in rows:
            writer.add(one)
    files = sorted(path.name for path in (tmp_path / "documents").iterdir())
    assert files == [f"part-{number:05d}.parquet" for number in range(len(files))]
    assert len(files) > 3
    assert writer.rows == 100
    assert list(read_rows(tmp_path)) == rows
    assert [set(one) for one in read_rows(tmp_path, ["id", "nothing"])] == [{"id"}] * 100


def test_the_same_rows_make_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        with ShardWriter(tmp_path / name, document_schema()) as writer:
            for number in range(50):
                writer.add(row(number))
    assert (tmp_path / "one/part-00000.parquet").read_bytes() == (tmp_path / "two/part-00000.parquet").read_bytes()


def test_no_rows_still_have_columns(tmp_path: Path) -> None:
    with ShardWriter(tmp_path / "removed", removed_schema()):
        pass
    assert pq.read_table(tmp_path / "removed/part-00000.parquet").column_names == [
        "id", "text", "source", "path", "reason", "kept",
    ]  # fmt: skip


def test_an_interrupted_writer_leaves_no_file_that_looks_whole(tmp_path: Path) -> None:
    folder = tmp_path / "documents"

    def stop_half_way() -> None:
        with ShardWriter(folder, document_schema(), group_bytes=10) as writer:
            for number in range(5):
                writer.add(row(number))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop_half_way()
    assert list(folder.glob("*.parquet")) == []
    with pytest.raises(UserError, match="not a corpus"):
        list(read_rows(tmp_path))
    with ShardWriter(folder, document_schema()) as writer:
        writer.add(row(0))
    assert [path.name for path in folder.iterdir()] == ["part-00000.parquet"]


def test_removed_text_is_cut_and_nothing_is_null() -> None:
    row = removed_row({"text": "x" * 5_000, "source": "s", "path": None}, "near duplicate", "abc")
    assert row == {
        "id": "", "text": "x" * REMOVED_CHARACTERS, "source": "s", "path": "", "reason": "near duplicate", "kept": "abc",
    }  # fmt: skip


def corpus_with(folder: Path, **columns: list[object]) -> Path:
    (folder / "documents").mkdir(parents=True)
    pq.write_table(pa.table(columns), folder / "documents/part-00000.parquet")
    return folder


def test_schemas_are_united(tmp_path: Path) -> None:
    one = corpus_with(tmp_path / "one", id=["a"], text=["t"], source=["s"], score=[1])
    two = corpus_with(tmp_path / "two", id=["a"], text=["t"], source=["s"], score=[1.5], family=["f"])
    schema = corpus_schema([one, two])
    assert schema.names == ["id", "text", "source", "path", "score", "family"]
    assert schema.field("score").type == pa.float64()


def test_what_does_not_fit_together_is_named(tmp_path: Path) -> None:
    two = corpus_with(tmp_path / "two", id=["a"], text=["t"], source=["s"], score=["high"])
    three = corpus_with(tmp_path / "three", id=["a"], text=["t"])
    with pytest.raises(UserError, match="score"):
        list(read_rows(two))
    with pytest.raises(UserError, match="'source'"):
        corpus_schema([three])


def test_batches_of_long_documents_are_smaller(tmp_path: Path) -> None:
    texts = [chr(97 + number % 26) * 1_000_000 for number in range(20)]
    with ShardWriter(tmp_path / "documents", document_schema()) as writer:
        for number, text in enumerate(texts):
            writer.add({"id": f"{number}", "text": text, "source": "texts", "path": ""})
    batches = [batch.to_pylist() for batch in read_batches(tmp_path, rows=5_000)]
    assert max(map(len, batches)) <= 8
    assert [row["text"] for batch in batches for row in batch] == texts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\r\nb\rc", "a\nb\nc"),
        ("a  \nb\t\n", "a\nb"),
        ("a\n\n\n \n\nb", "a\n\nb"),
        ("\n\n  indented\n", "  indented"),
        ("Cafe\u0301", "Caf\u00e9"),
        ("Case Stays", "Case Stays"),
        (" \n\t\n", ""),
    ],
)
def test_normalise(text: str, expected: str) -> None:
    assert normalise(text) == expected


@given(st.text(alphabet=st.sampled_from(" \t\r\n\fabé\u0301")))
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


def test_the_id_is_a_string_of_the_normalised_text() -> None:
    assert document_id("a \r\nb\n\n") == hashlib.sha256(b"a\nb").hexdigest()[:32]
    assert document_id("a\nb") != document_id("a\nB")


def test_long_runs_of_spaces_take_no_time() -> None:
    assert normalise(" " * 2_000_000 + "x").endswith("x")  # quadratic code would take hours


def test_what_is_merged_comes_in_order_without_empty_files(tmp_path: Path) -> None:
    for number, rows in enumerate(([row(0), row(1)], [], [row(2)])):
        with CorpusWriter(tmp_path / f"{number}", document_schema("family")) as corpus:
            for one in rows:
                corpus.keep({**one, "family": "f"})
            corpus.drop(row(9), "too long", "abc")
        assert corpus.documents == len(rows)
    for _ in range(2):  # once more changes nothing
        merge([tmp_path / f"{number}" for number in range(3)], tmp_path / "all")
        assert [(shard.first, shard.end) for shard in shards(tmp_path / "all")] == [(0, 2), (2, 3)]
    assert list(read_rows(tmp_path / "all")) == [{**row(number), "family": "f"} for number in range(3)]
    removed = list(read_rows(tmp_path / "all", part=REMOVED))
    assert removed == [removed_row(row(9), "too long", "abc")] * 3
    merge([tmp_path / "1"], tmp_path / "empty")
    assert corpus_schema([tmp_path / "empty"]).names == ["id", "text", "source", "path", "family"]


def test_documents_are_found_by_what_a_column_holds(tmp_path: Path) -> None:
    with CorpusWriter(tmp_path, document_schema()) as corpus:
        for number in range(5):
            corpus.keep(row(number))
        corpus.drop(row(7), "near duplicate", row(3)["id"])
    found = rows_where(tmp_path, "id", {row(1)["id"], row(4)["id"], row(7)["id"]}, ["path", "nothing", "path"])
    assert list(found) == [{"path": "1.txt"}, {"path": "4.txt"}]
    assert [one["path"] for one in rows_where(tmp_path, "kept", [row(3)["id"]], part=REMOVED)] == ["7.txt"]
    assert list(rows_where(tmp_path, "nothing", ["x"])) == list(rows_where(tmp_path / "nowhere", "id", ["x"])) == []
    assert ids_that_begin(tmp_path, row(0)["id"][:-1]) == {row(number)["id"] for number in (0, 1, 2, 3, 4, 7)}


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    corpus = corpus_with(tmp_path, id=["a"], text=["t"], source=["s"])
    file = corpus / "documents/part-00000.parquet"
    file.write_bytes(file.read_bytes()[:-20])
    for read in (
        shards,
        lambda corpus: list(rows_where(corpus, "id", ["a"])),
        lambda corpus: ids_that_begin(corpus, ""),
    ):
        with pytest.raises(UserError, match=r"part-00000\.parquet is damaged"):
            read(corpus)


def test_a_share_of_the_documents_is_held_out_by_their_ids() -> None:
    held = {f"{number}" for number in range(2_000) if is_held_out(f"{number}", 0.1, 7)}
    assert 150 < len(held) < 250
    assert held < {f"{number}" for number in range(2_000) if is_held_out(f"{number}", 0.2, 7)}
    assert held != {f"{number}" for number in range(2_000) if is_held_out(f"{number}", 0.1, 8)}


WORDS = ["one", "two", "three"]


@pytest.mark.parametrize(
    "columns",
    [
        {"id": ["a", "b", "c"], "text": WORDS, "source": ["s"] * 3},
        {"id": ["a", "b", "c"], "text": [None, "two", "three"], "source": ["s", None, "s"], "path": [None] * 3},
        {"id": [1, 2, 3], "text": WORDS, "source": pa.array(["s"] * 3).dictionary_encode(), "score": ["1", "2.5", None]},
        {"id": pa.array(["a", "b", "c"], pa.large_string()), "text": pa.array(WORDS, pa.large_string()),
         "source": ["s"] * 3, "score": [1, 2, 3]},
    ],
)  # fmt: skip
def test_a_corpus_that_people_made(tmp_path: Path, columns: dict[str, Any]) -> None:
    (tmp_path / "documents").mkdir()
    pq.write_table(pa.table(columns), tmp_path / "documents/a.parquet")
    rows = list(read_rows(tmp_path))
    for row, asked in zip(rows, read_rows(tmp_path, COLUMNS), strict=True):
        assert all(isinstance(asked[name], str) for name in COLUMNS)
        assert {**row, "path": row.get("path") or ""} == {**row, **asked}
        assert isinstance(row.get("score", 0.0), float | None)
    assert [row["text"] or "one" for row in rows] == WORDS
    schema = corpus_schema([tmp_path])
    assert [schema.field(name).type for name in COLUMNS] == [pa.string()] * 4
    assert ids_that_begin(tmp_path, rows[0]["id"]) == {rows[0]["id"]}
    assert [row["text"] for row in rows_where(tmp_path, "id", [rows[1]["id"]])] == ["two"]


def test_what_no_stage_can_take_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "documents").mkdir()
    file = tmp_path / "documents/a.parquet"
    for columns, words in (
        ({"id": ["a", None], "text": ["x", "y"], "source": ["s", "s"]}, "row 2 has no id"),
        ({"id": ["a"], "text": ["x"], "source": ["s"], "score": ["high"]}, "column 'score' should hold numbers"),
        ({"id": ["a"], "text": [[1]], "source": ["s"]}, "column 'text' should hold text"),
    ):
        pq.write_table(pa.table(columns), file)
        with pytest.raises(UserError, match=words) as caught:
            list(read_rows(tmp_path))
        assert "\n" not in str(caught.value)


def test_columns_whose_types_differ_become_text(tmp_path: Path) -> None:
    for name, values in (("a", [1, 2]), ("b", ["x", "y"]), ("c", [True, None])):
        (tmp_path / name / "documents").mkdir(parents=True)
        table = pa.table({"id": [name, name * 2], "text": ["x", "y"], "source": ["s", "s"], "label": values})
        pq.write_table(table, tmp_path / name / "documents/a.parquet")
    assert corpus_schema([tmp_path / "a", tmp_path / "b"]).field("label").type == pa.string()
    assert corpus_schema([tmp_path / "a", tmp_path / "a"]).field("label").type == pa.int64()


def test_a_disk_that_takes_no_more_is_told_with_the_file(tmp_path: Path) -> None:
    """A writer that may not write past 4 kB, as on a full disk; nothing half stays."""
    program = (
        "import resource, sys, os; from pathlib import Path; from hornbook.documents import ShardWriter, document_schema\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try:\n"
        "    with ShardWriter(Path(sys.argv[1]), document_schema()) as writer:\n"
        "        for _ in range(50): writer.add({'id': 'a', 'text': os.urandom(500).hex(), 'source': 's', 'path': ''})\n"
        "except OSError as error: print(error.errno, error.filename)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "out")], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{errno.EFBIG} {tmp_path / 'out' / 'part-00000.parquet'}\n"
    assert list((tmp_path / "out").iterdir()) == []


LONG = (1 << 53) + 1


def with_numbers(folder: Path, *numbers: Any) -> Path:
    with ShardWriter(folder / "documents", document_schema(), more=True) as writer:
        for at, number in enumerate(numbers):
            writer.add(row(at) | {"number": number})
    return folder


def test_a_number_that_no_float_holds_keeps_its_digits(tmp_path: Path) -> None:
    """Beside floats a column is text: in one group of rows, in a later one, and in another corpus."""
    assert [one["number"] for one in read_rows(with_numbers(tmp_path / "one", LONG, 0.5))] == [str(LONG), "0.5"]
    assert [one["number"] for one in read_rows(with_numbers(tmp_path / "two", LONG, 2))] == [LONG, 2]
    assert [one["number"] for one in read_rows(with_numbers(tmp_path / "three", 3, 0.5))] == [3.0, 0.5]
    with ShardWriter(tmp_path / "four" / "documents", document_schema(), more=True, group_bytes=1) as writer:
        for at, number in enumerate((0.5, LONG, 1)):
            writer.add(row(at) | {"number": number})
    assert [one["number"] for one in read_rows(tmp_path / "four")] == [0.5, str(LONG), "1"]
    for names, kind in ((("two", "three"), pa.string()), (("three", "three"), pa.float64())):
        corpora = [tmp_path / name for name in names]
        schema = corpus_schema(corpora)
        assert schema.field("number").type == kind
        with ShardWriter(tmp_path / "all" / "documents", schema) as writer:
            for corpus in corpora:
                for one in read_rows(corpus):
                    writer.add(one)
    small = corpus_with(tmp_path / "five", id=["a"], text=["t"], source=["s"], number=[5])
    assert corpus_schema([small, tmp_path / "three"]).field("number").type == pa.float64()
    large = pa.array([(1 << 63) + 1], pa.uint64())
    unsigned = corpus_with(tmp_path / "six", id=["a"], text=["t"], source=["s"], number=large)
    assert corpus_schema([small, unsigned]).field("number").type == pa.string()


def test_what_no_column_is_left_for_is_kept_in_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hornbook.documents._MOST_COLUMNS", 6)
    with ShardWriter(tmp_path / "documents", document_schema(), more=True) as writer:
        writer.add(row(0) | {"a": 1, "b": 2, "c": 3, "d": None})
        writer.add(row(1) | {"c": "x", "a": 4, "more": '{"e": 5}'})
    assert [[one.get(name) for name in ("a", "b", "more")] for one in read_rows(tmp_path)] == [
        [1, 2, '{"c": 3}'],
        [4, None, '{"e": 5, "c": "x"}'],
    ]
