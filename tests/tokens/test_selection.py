from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as some

from hornbook import documents as room
from hornbook.documents import read_rows, shards
from hornbook.tokens.selection import Entry, entries

TEXTS = some.lists(some.text(some.characters(exclude_categories=["Cs"]), max_size=30), min_size=1, max_size=40)


def corpus(folder: Path, rows: list[dict[str, Any]], cuts: int) -> Path:
    (folder / "documents").mkdir(parents=True)
    for number in range(cuts):
        part = rows[len(rows) * number // cuts : len(rows) * (number + 1) // cuts]
        schema = pa.schema([(name, pa.float64() if name == "score" else pa.string()) for name in rows[0]])
        pq.write_table(pa.Table.from_pylist(part, schema=schema), folder / "documents" / f"part-{number}.parquet")
    return folder


@settings(max_examples=25)
@given(texts=TEXTS, cuts=some.integers(1, 4), graded=some.booleans(), data=some.data())
def test_what_is_known_and_what_is_read_is_the_same_document(
    tmp_path_factory: Any, texts: list[str], cuts: int, graded: bool, data: some.DataObject
) -> None:
    rows = [{"id": f"{n}", "text": text, "source": f"s{n % 2}"} for n, text in enumerate(texts)]
    if graded:
        rows = [row | {"score": n / 2, "language": "en" if n % 3 else None} for n, row in enumerate(rows)]
    folder = corpus(tmp_path_factory.mktemp("corpus"), rows, cuts)
    stored = shards(folder)
    assert [file.first for file in stored[1:]] == [file.end for file in stored[:-1]]
    assert list(read_rows(folder)) == rows
    assert list(entries(stored)) == [
        Entry(number, row["id"], row["source"], row.get("score"), row.get("language"), len(row["text"]))
        for number, row in enumerate(rows)
    ]
    wanted = set(data.draw(some.lists(some.integers(0, len(rows) - 1))))
    found = [pair for file in stored for pair in file.texts(wanted)]
    assert found == [(number, texts[number]) for number in sorted(wanted)]


def test_batches_join_without_a_seam(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(room, "_BATCH_BYTES", 60)
    rows = [{"id": f"{n}", "text": "x" * n, "source": "s"} for n in range(11)]
    (file,) = shards(corpus(tmp_path, rows, 1))
    assert [entry.characters for entry in entries([file])] == list(range(11))
    assert list(file.texts({2, 3, 10})) == [(2, "xx"), (3, "xxx"), (10, "x" * 10)]
