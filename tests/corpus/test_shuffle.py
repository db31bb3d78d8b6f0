from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.corpus import shuffle
from hornbook.corpus.shuffle import (
    LeftOut,
    Pieces,
    RunWriter,
    chosen,
    ranges,
    read_matching,
    read_numbers,
    rows_left,
    write_numbers,
)
from hornbook.documents import Shard

TOP = 2**64 - 1
SCHEMA = pa.schema({"key": pa.uint64(), "name": pa.large_string()})
KEY = st.one_of(st.integers(0, 5), st.integers(TOP - 3, TOP), st.integers(2**63 - 1, 2**63 + 1))


def leave(folder: Path, rows: list[tuple[int, str]]) -> None:
    folder.mkdir(parents=True)
    with RunWriter(folder, SCHEMA, "key") as writer:
        for start in range(0, len(rows), 2):
            keys, names = zip(*rows[start : start + 2], strict=True)
            writer.add(pa.table([pa.array(keys, pa.uint64()), names], schema=SCHEMA))


@given(st.lists(st.lists(KEY, max_size=9), min_size=1, max_size=3), st.integers(1, 5), st.integers(1, 6))
def test_every_row_is_read_once_in_the_range_of_its_key(keys: list[list[int]], run: int, parts: int) -> None:
    with TemporaryDirectory() as scratch, pytest.MonkeyPatch.context() as patch:
        patch.setattr(shuffle, "_RUN", run)
        pieces = Pieces(Path(scratch), "some", len(keys), "")
        for place, some in enumerate(keys):
            leave(pieces.folder(place), [(key, f"{place}:{number}") for number, key in enumerate(some)])
        found = []
        for low, high in ranges(parts, 1):
            rows = [(row["key"], row["name"]) for row in pieces.between("key", low, high).to_pylist()]
            assert all(low <= key < high for key, _ in rows)
            found += rows
            names = pieces.between("key", low, high, ["name"])
            assert names.column_names == ["name"] and names["name"].to_pylist() == [name for _, name in rows]
        expected = [(key, f"{place}:{number}") for place, some in enumerate(keys) for number, key in enumerate(some)]
        assert sorted(found) == sorted(expected)


def test_of_equal_keys_in_a_run_the_first_stays_first(tmp_path: Path) -> None:
    leave(tmp_path / "some-00000", [(7, "a"), (3, "b"), (7, "c"), (3, "d"), (7, "e")])
    assert Pieces(tmp_path, "some", 1, "").between("key", 0, 9)["name"].to_pylist() == ["b", "d", "a", "c", "e"]


@given(st.sets(st.integers(0, 20)), st.sets(st.integers(0, 20)), st.integers(1, 5))
def test_matching_rows(there: set[int], asked: set[int], run: int) -> None:
    with TemporaryDirectory() as scratch, pytest.MonkeyPatch.context() as patch:
        patch.setattr(shuffle, "_RUN", run)
        leave(Path(scratch) / "some", [(key, str(key)) for key in sorted(there)])
        found = read_matching([Path(scratch) / "some"], "key", np.array(sorted(asked), dtype=np.int64))
        assert found["name"].to_pylist() == [str(key) for key in sorted(there & asked)]


@given(st.integers(1, 10**4), st.integers(1, 10**5))
def test_ranges_cover_all_numbers(total: int, most: int) -> None:
    found = ranges(total, most)
    assert found[0][0] == 0 and found[-1][1] == 2**64
    assert all(one[1] == other[0] for one, other in pairwise(found))
    assert (len(found) - 1) * most < total <= len(found) * most
    assert ranges(0, most) == [(0, 2**64)]


@given(st.lists(st.sets(st.integers(0, 40)), min_size=1, max_size=3), st.sets(st.integers(10, 19)), st.integers(1, 11))
def test_what_is_left_out_and_what_is_left(anywhere: list[set[int]], own: set[int], size: int) -> None:
    with TemporaryDirectory() as scratch:
        pieces = Pieces(Path(scratch), "exact", len(anywhere), "one")
        by_file = Pieces(Path(scratch), "near", 2, "two")
        for place, numbers in enumerate([*anywhere, own]):
            folder = pieces.folder(place) if place < len(anywhere) else by_file.folder(1)
            folder.mkdir()
            write_numbers(folder, np.array(sorted(numbers, reverse=True), dtype=np.int64))
        shard, expected = Shard(Path(), 10, 10), set().union(own, *anywhere)
        out = LeftOut(pieces, by_file)
        rows = rows_left(out, 1, shard)
        assert set(rows.tolist()) == {number - 10 for number in range(10, 20) if number not in expected}
        assert rows_left(None, 1, shard).tolist() == list(range(10))
        assert LeftOut(pieces).rows(0, shard).tolist() == sorted(
            number - 10 for number in set().union(*anywhere) if 10 <= number < 20
        )
        batches = [pa.record_batch({"n": list(range(at, min(at + size, 10)))}) for at in range(0, 10, size)]
        passed: list[float] = []
        taken = list(chosen(iter(batches), rows, passed.append))
        assert [row for here, _ in taken for row in here.tolist()] == rows.tolist()
        assert [row for _, batch in taken for row in batch["n"].to_pylist()] == rows.tolist()
        assert sum(passed) == 10
        assert read_numbers(pieces.folders, 0, 41).tolist() == sorted(set().union(*anywhere))
