from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook import files
from hornbook.errors import UserError


def test_write_replaces_whole_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deep" / "file"
    files.write_bytes(path, b"old")
    for name in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os if name == "fsync" else Path, name, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                files.write_bytes(path, b"new")
        assert path.read_bytes() == b"old"
    files.write_bytes(path, b"new")
    assert path.read_bytes() == b"new"


def test_sweep(tmp_path: Path) -> None:
    for name in (
        ".a.1.tmp",
        "sub/.b.2.tmp",
        ".sub.3.old/x",
        ".sub.3.old/.y.4.tmp",
        "kept.tmp",
        "sub/kept.old",
        ".hidden",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    files.sweep(tmp_path)
    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert left == [".hidden", "kept.tmp", "sub/kept.old"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(json_values)
def test_json_round_trip(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    path = tmp_path_factory.mktemp("json") / "x.json"
    files.write_json(path, value)
    assert files.read_json(path) == value
    files.write_jsonl(path, [{"x": value}, {"x": "\u2028\n"}])
    assert list(files.read_jsonl(path)) == [{"x": value}, {"x": "\u2028\n"}]


def test_json_damage_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    with pytest.raises(UserError, match="does not exist"):
        files.read_json(path)
    path.write_bytes(b"{\xff")
    with pytest.raises(UserError, match="not valid JSON"):
        files.read_json(path)
    with pytest.raises(UserError, match="cannot be read"):
        files.read_json(tmp_path)


def test_digests(tmp_path: Path) -> None:
    data = bytes(range(256)) * 5000
    (tmp_path / "x").write_bytes(data)
    assert files.digest_file(tmp_path / "x") == files.digest_bytes(data) == hashlib.sha256(data).hexdigest()
    assert files.digest_value({"a": 1, "b": [2]}) == files.digest_value(json.loads('{"b": [2], "a": 1}'))
    assert files.digest_value({"a": 1}) != files.digest_value({"a": 2})


def test_remove_folder(tmp_path: Path) -> None:
    files.remove_folder(tmp_path / "nowhere")
    (tmp_path / "x" / "y").mkdir(parents=True)
    files.remove_folder(tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_a_result_counts_for_its_key_only(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    assert files.kept(path, "a") is None
    for result in ({"score": 1.0}, None, 3):
        files.keep(path, "a", result)
        assert files.kept(path, "a") == files.Kept(result)
    assert files.kept(path, "b") is None
    for damaged in ('{"key": "a", "res', "[]", '{"key": "a"}'):
        path.write_text(damaged)
        assert files.kept(path, "a") is None
