from __future__ import annotations

import datetime
import decimal
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.corpus.clean import clean
from hornbook.corpus.clean.settings import CleanSettings
from hornbook.corpus.filter import filter_corpus
from hornbook.corpus.filter.settings import FilterSettings
from hornbook.corpus.grade.classifier import Features, learn
from hornbook.corpus.grade.scoring import score_corpus
from hornbook.corpus.grade.settings import GradeSettings
from hornbook.corpus.read import read
from hornbook.corpus.read.columns import kept_columns
from hornbook.corpus.read.settings import ReadSettings, Source
from hornbook.documents import CorpusWriter, document_schema, read_rows
from hornbook.progress import Progress
from hornbook.settings import validated

Rows = Callable[[Path], list[dict[str, Any]]]
TEXT = "A horn book was the first textbook of a child, one page, printed large, on wood. "
COLUMNS = {"url": "https://a.b", "date": "2020-01-02", "licence": "CC0", "score": 4.5, "label": "good"}


def run(tmp_path: Path, **source: Any) -> list[dict[str, Any]]:
    sources = [Source(name="s", path="data", **source)]
    read(sources, ReadSettings(), base=tmp_path, into=tmp_path / "corpus", progress=Progress())
    return list(read_rows(tmp_path / "corpus"))


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "parquet", "arrow"])
def test_columns_are_kept(tmp_path: Path, kind: str) -> None:
    (tmp_path / "data").mkdir()
    file = tmp_path / f"data/a.{kind}"
    row = {"id": 7, "text": TEXT, **COLUMNS}
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist([{**row, "date": datetime.date(2020, 1, 2), "picture": b"x"}]), file)
    elif kind == "arrow":
        with pa.ipc.new_stream(file, pa.Table.from_pylist([row]).schema) as stream:
            stream.write_table(pa.Table.from_pylist([row]))
    elif kind == "csv":
        file.write_text(",".join(row) + "\n" + ",".join(f'"{value}"' for value in row.values()) + "\n")
    else:
        file.write_text(json.dumps([row] if kind == "json" else row))
    (found,) = run(tmp_path)
    assert {name: found[name] for name in COLUMNS} == COLUMNS
    assert found["original_id"] == ("7" if kind == "csv" else 7)
    assert set(found) == {"id", "text", "source", "path", "original_id", *COLUMNS}
    (found,) = run(tmp_path, keep=("url",))
    assert set(found) == {"id", "text", "source", "path", "url"}


def test_columns_go_through_every_stage(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    rows = [{"text": f"{number} {TEXT * 3}", "language": "xx", **COLUMNS, "label": number} for number in range(4)]
    (tmp_path / "data/a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "data/b.jsonl").write_text(json.dumps({"text": "Something else.", "label": "text", "score": "none"}))
    run(tmp_path)
    settings = validated(FilterSettings, {"language": {"keep": ["en"]}, "privacy": {"mask": ["email"]}}, "filter")
    filter_corpus(tmp_path / "corpus", settings, into=tmp_path / "filtered", progress=Progress())
    classifier = learn([TEXT, "x = 1", "y"] * 4, [4, 1, 0] * 4, Features(100, 64), 1.0)
    classifier.save(tmp_path / "classifier")
    score_corpus(
        *(tmp_path / "filtered", tmp_path / "classifier", GradeSettings(drop=False)),
        into=tmp_path / "graded",
        progress=Progress(),
    )
    clean([tmp_path / "graded"], None, CleanSettings(similarity=1.0), into=tmp_path / "cleaned", progress=Progress())
    found = {row["label"]: row for row in read_rows(tmp_path / "cleaned")}
    assert set(found) >= {"0", "1", "2", "3"}
    for number in range(4):
        row = found[str(number)]
        assert {name: row[name] for name in ("url", "date", "licence")} == {
            name: COLUMNS[name] for name in ("url", "date", "licence")
        }
        assert (row["original_score"], row["original_language"], row["language"]) == ("4.5", "xx", "en")
        assert isinstance(row["score"], float)
    filter_corpus(tmp_path / "cleaned", settings, into=tmp_path / "again", progress=Progress())
    again = {row["label"]: row for row in read_rows(tmp_path / "again")}["0"]
    assert (again["original_language"], again["language"]) == ("xx", "en")
    assert "original_language_score" not in again
    score_corpus(
        *(tmp_path / "again", tmp_path / "classifier", GradeSettings(drop=False)),
        into=tmp_path / "graded again",
        progress=Progress(),
    )
    assert {row["original_score"] for row in read_rows(tmp_path / "graded again")} == {"4.5", "none"}


def test_types_of_one_column_are_reconciled(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    values: list[Any] = [1, 2.5, True, "x", None, [1, {"a": "b"}], 1 << 70]
    for number, value in enumerate(values):
        row = {"text": f"text {number}", "number": number if number % 2 else number / 2, "mixed": value}
        (tmp_path / f"data/{number}.jsonl").write_text(json.dumps(row))
    found = run(tmp_path)
    assert [row["number"] for row in found] == [0.0, 1.0, 1.0, 3.0, 2.0, 5.0, 3.0]
    assert [row["mixed"] for row in found] == ["1", "2.5", "true", "x", None, '[1, {"a": "b"}]', str(1 << 70)]


def test_columns_without_end_become_one(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.jsonl").write_text(json.dumps({"text": "x", **{f"c{n}": n for n in range(300)}}))
    (row,) = run(tmp_path)
    assert row["c99"] == 99
    assert json.loads(row["more"])["c299"] == 299
    assert len(row) == 105


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary(max_size=3),
    lambda some: st.lists(some, max_size=3) | st.dictionaries(st.text(max_size=3), some, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.text(st.characters(), max_size=8) | st.just("score"), JSON), max_size=4))
def test_any_record_can_be_written(tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, Any]]) -> None:
    folder = tmp_path_factory.mktemp("corpus")
    with CorpusWriter(folder, document_schema(), more=True) as corpus:
        for number, record in enumerate(records):
            base = {"id": str(number), "text": "t", "source": "s", "path": ""}
            corpus.keep(base | kept_columns(record, "text", None))
    assert [row["id"] for row in read_rows(folder)] == [str(number) for number in range(len(records))]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("score", "4.5", {"score": 4.5}),
        ("score", 3, {"score": 3.0}),
        ("score", "high", {"original_score": "high"}),
        ("score", math.inf, {"original_score": math.inf}),
        ("score", True, {"original_score": True}),
        ("language", 3, {"original_language": 3}),
        ("source", "web", {"original_source": "web"}),
        ("text", "no", {}),
        ("picture", {"bytes": b"x", "path": "a.png"}, {"picture": '{"bytes": "", "path": "a.png"}'}),
        ("bytes", b"x", {}),
        ("price", decimal.Decimal("1.10"), {"price": "1.10"}),
        ("half", "\ud800", {"half": "\\ud800"}),
    ],
)
def test_what_is_kept_of_a_value(name: str, value: Any, expected: dict[str, Any]) -> None:
    assert kept_columns({name: value}, "text", None) == expected


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"id": 1, "original_id": 2}, {"original_id_2": 1, "original_id": 2}),
        ({"original_id": 2, "id": 1}, {"original_id_2": 1, "original_id": 2}),
        ({"id": 1, "original_id": 2, "original_id_2": 3}, {"original_id_3": 1, "original_id": 2, "original_id_2": 3}),
        ({"score": "high", "original_score": 2}, {"original_score_2": "high", "original_score": 2}),
        ({"a": 1, " a": 2}, {"a": 1, "a_2": 2}),
    ],
)
def test_no_column_takes_the_name_of_another(record: dict[str, Any], expected: dict[str, Any]) -> None:
    assert kept_columns(record, "text", None) == expected


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Hello."}]},
        {"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "Hello."}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "image"}]},
                      {"role": "tool", "content": None}, {"role": "assistant", "content": "Hello."}]},
    ],
)  # fmt: skip
def test_a_conversation_is_a_text(tmp_path: Path, row: dict[str, Any]) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.jsonl").write_text(json.dumps(row))
    (found,) = run(tmp_path)
    assert found["text"] == "User: hi\n\nAssistant: Hello."
