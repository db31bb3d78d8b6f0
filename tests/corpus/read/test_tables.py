from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hornbook.corpus.read.formats import Bad, Raw, documents
from hornbook.corpus.read.kinds import Found
from hornbook.corpus.read.settings import ReadSettings, Source

TABLE = pa.table({"id": list(range(300)), "text": [f"row {number} " * 40 for number in range(300)]})


def write(file: Path, table: Any, indexed: bool) -> None:
    make = pa.ipc.new_file if indexed else pa.ipc.new_stream
    with file.open("wb") as stream, make(stream, table.schema) as writer:
        writer.write_table(table, max_chunksize=100)


def read(file: Path) -> list[tuple[str, str]]:
    found = documents(Found(file, file.name), Source(name="s", path="."), ReadSettings())
    return [(item.path, "".join(item.blocks) if isinstance(item, Raw) else f"!{item.reason}") for item in found]


@pytest.mark.parametrize("indexed", [False, True])
def test_arrow_files(tmp_path: Path, indexed: bool) -> None:
    write(tmp_path / "a.arrow", TABLE, indexed)
    expected = [(f"a.arrow:{n + 1}", text) for n, text in enumerate(TABLE["text"].to_pylist())]
    assert read(tmp_path / "a.arrow") == expected


def test_arrow_files_that_break_off_or_hold_nothing(tmp_path: Path) -> None:
    file = tmp_path / "a.arrow"
    write(file, TABLE, False)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    found = read(file)
    assert found[-1] == ("a.arrow", "!corrupt arrow")
    assert len(found) == 101
    file.write_bytes(b"nonsense")
    assert read(file) == [("a.arrow", "!corrupt arrow")]
    write(file, pa.table({"text": pa.array([], pa.string())}), False)
    assert read(file) == [("a.arrow", "!empty")]
    write(file, pa.table({"body": ["x"]}), False)
    assert read(file) == [("a.arrow", "!no text")]


def test_what_is_left_out_of_a_table_is_kept_for_a_look(tmp_path: Path) -> None:
    data = pa.array([b"caf\xe9", b"good"]).cast(pa.binary()).view(pa.string())
    write(tmp_path / "a.arrow", pa.table([data], names=["text"]), False)
    bad, _ = documents(Found(tmp_path / "a.arrow", "a.arrow"), Source(name="s", path="."), ReadSettings())
    assert isinstance(bad, Bad) and (bad.reason, bad.text) == ("invalid UTF-8", "caf\\xe9")


def test_a_large_row_group_is_not_held(tmp_path: Path, peak: Callable[..., int]) -> None:
    rows = pa.table({"text": [f"{number} " * 200 for number in range(60_000)]})
    pq.write_table(rows, tmp_path / "a.parquet", row_group_size=60_000, compression="none", use_dictionary=False)
    assert (tmp_path / "a.parquet").stat().st_size > 60_000_000
    code = (
        "from hornbook.corpus.read.formats import documents\nfrom hornbook.corpus.read.settings import ReadSettings, Source\n"
        "assert sum(1 for _ in documents(found, Source(name='s', path='.'), ReadSettings())) == 60_000"
    )
    assert peak(code, tmp_path / "a.parquet") < 60_000_000


def test_two_columns_of_the_texts_name_are_told(tmp_path: Path) -> None:
    twice = pa.table([["a"], ["b"], ["c"], ["d"]], names=["text", "text", "label", "label"])
    write(tmp_path / "a.arrow", twice, False)
    pq.write_table(twice, tmp_path / "b.parquet")
    for name in ("a.arrow", "b.parquet"):
        (told,) = documents(Found(tmp_path / name, name), Source(name="s", path="."), ReadSettings())
        assert told == Bad(name, "no text", "2 columns are called 'text'")


@pytest.mark.parametrize(
    ("kind", "value", "kept"),
    [
        (pa.struct([("binary_label", pa.int64())]), {"binary_label": 1}, '{"binary_label": 1}'),
        (pa.list_(pa.struct([("picture", pa.large_binary())])), [{"picture": b"x"}], None),
        (pa.map_(pa.string(), pa.binary(1)), [("a", b"x")], None),
        (pa.dictionary(pa.int32(), pa.binary()), b"x", None),
        (pa.dictionary(pa.int32(), pa.string()), "x", "x"),
    ],
)
def test_what_holds_bytes_is_not_kept(kind: Any, value: Any, kept: str | None, tmp_path: Path) -> None:
    table = pa.table([pa.array(["a"]), pa.array([value], kind)], names=["text", "more_of_it"])
    write(tmp_path / "a.arrow", table, False)
    (raw,) = documents(Found(tmp_path / "a.arrow", "a.arrow"), Source(name="s", path="."), ReadSettings())
    assert isinstance(raw, Raw) and raw.columns.get("more_of_it") == kept
