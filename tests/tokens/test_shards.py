from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hornbook.errors import UserError
from hornbook.tokens import shards


@pytest.mark.parametrize(("vocabulary", "kind", "bytes_each"), [(65_536, "uint16", 2), (65_537, "uint32", 4)])
def test_round_trip(vocabulary: int, kind: str, bytes_each: int, tmp_path: Path) -> None:
    table = np.random.default_rng(1).integers(0, vocabulary, (7, 33))
    table[0, 0] = vocabulary - 1
    shards.write(tmp_path, "one", table, vocabulary, documents=5)
    assert np.array_equal(shards.read(tmp_path, "one"), table)
    assert (tmp_path / "one.bin").stat().st_size == 7 * 33 * bytes_each
    assert json.loads((tmp_path / "one.json").read_text()) == {"documents": 5, "dtype": kind, "row": 33, "rows": 7}
    little = np.frombuffer((tmp_path / "one.bin").read_bytes(), dtype=f"<u{bytes_each}")
    assert np.array_equal(little.reshape(7, 33), table)


def test_no_rows(tmp_path: Path) -> None:
    shards.write(tmp_path, "none", np.zeros((0, 9), dtype=np.uint32), 500)
    assert shards.read(tmp_path, "none").shape == (0, 9)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda f: (f / "one.bin").unlink(), r"one\.bin should hold 12 bytes"),
        (lambda f: (f / "one.bin").write_bytes(b"\0" * 11), r"one\.bin should hold 12 bytes"),
        (lambda f: (f / "one.bin").write_bytes(b"\0" * 13), r"one\.bin should hold 12 bytes"),
        (lambda f: (f / "one.json").unlink(), r"one\.json does not exist"),
        (lambda f: (f / "one.json").write_text("{"), r"one\.json is not valid JSON"),
        (lambda f: (f / "one.json").write_text("{}"), r"one\.json is no shard's index"),
        (lambda f: (f / "one.json").write_text("[]"), r"one\.json is no shard's index"),
        (lambda f: (f / "one.json").write_text('{"dtype": "soup", "rows": 1, "row": 1}'), "is no shard's index"),
    ],
)
def test_damage_is_told(damage, told: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    shards.write(tmp_path, "one", np.ones((2, 3), dtype=np.int64), 500)
    damage(tmp_path)
    with pytest.raises(UserError, match=told):
        shards.read(tmp_path, "one")


def test_packed_documents_by_shard(tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "phase2-0.documents.json").write_text('["b"]')
    (tmp_path / "shards" / "phase1-0.documents.json").write_text('["a", "c"]')
    (tmp_path / "shards" / "phase1-0.json").write_text("{}")
    assert shards.packed_documents(tmp_path) == {"phase1-0": ["a", "c"], "phase2-0": ["b"]}
    assert shards.packed_documents(tmp_path / "elsewhere") == {}


NAMES = ["", "..", ".hidden", "/etc/names", "a.b", "a.documents", "a/part-0", "a\\b", "c:d", "häuser 1%", "line\nbreak"]


def test_a_shard_may_be_called_what_a_source_may(tmp_path: Path) -> None:
    folder = tmp_path / "tokens" / "validation"
    for number, name in enumerate(NAMES):
        shards.write(folder, name, np.full((1, 3), number, dtype=np.int64), 500)
        shards.write_documents(folder, name, [f"of {name}"])
    assert shards.names(folder) == sorted(NAMES)
    assert [shards.read(folder, name)[0, 0] for name in NAMES] == [*range(len(NAMES))]
    assert [shards.documents(folder, name) for name in NAMES] == [[f"of {name}"] for name in NAMES]
    assert {path.parent for path in tmp_path.rglob("*") if path.is_file()} == {folder}
    assert shards.names(tmp_path / "elsewhere") == []
