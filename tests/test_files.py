from __future__ import annotations

import errno
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


def test_only_names_of_our_own_are_swept(tmp_path: Path) -> None:
    """What a killed process left goes; what others gave a name of the same form stays."""
    (tmp_path / "sub").mkdir()
    ours = [files.temporary_of(tmp_path / "a"), files.temporary_of(tmp_path / "sub" / "b.1.tmp")]
    for path in ours:
        path.write_text("")
    old = files.temporary_of(tmp_path / "sub", "old")
    (old / "inner").mkdir(parents=True)
    (old / "inner" / "x").write_text("")
    looks_alike = ours[0].name.replace(".a.", ".b.")
    theirs = [".a.1.tmp", f".{'a' * 16}.1.{'0' * 16}.tmp", "sub/.b.old", "kept.tmp", ".hidden", looks_alike]
    for name in theirs:
        (tmp_path / name).write_text("")
    (tmp_path / ".config.old").mkdir()
    (tmp_path / ".config.old" / "f").write_text("")
    files.sweep(tmp_path)
    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert left == sorted([*theirs, ".config.old/f"])


def test_a_full_disk_names_the_file_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    files.write_bytes(tmp_path / "state.pt", b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        files.write_bytes(tmp_path / "state.pt", b"new")
    assert caught.value.filename == str(tmp_path / "state.pt")
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]
    assert (tmp_path / "state.pt").read_bytes() == b"old"


@given(st.binary(max_size=300), st.data())
def test_state_with_one_bit_changed_is_none(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("state") / "state"
    files.write_checked(path, content)
    assert files.read_checked(path) == content
    stored = bytearray(path.read_bytes())
    stored[data.draw(st.integers(0, len(stored) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(stored)
    assert files.read_checked(path) is None
    path.write_bytes(stored[: data.draw(st.integers(0, len(stored) - 1))])
    assert files.read_checked(path) is None
    assert files.read_checked(path.with_name("none")) is None


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


def test_half_a_surrogate_pair_is_written_and_read_again(tmp_path: Path) -> None:
    half = {"hi \ud83d": ["\udcff"]}
    files.write_json(tmp_path / "x.json", half)
    assert files.read_json(tmp_path / "x.json") == half
    files.write_jsonl(tmp_path / "x.jsonl", [half])
    assert list(files.read_jsonl(tmp_path / "x.jsonl")) == [half]
    files.write_text(tmp_path / "x.html", "hi \ud83d")
    assert (tmp_path / "x.html").read_text() == "hi \\ud83d"
    assert files.digest_value(half) != files.digest_value({})


def test_json_damage_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    with pytest.raises(UserError, match="does not exist"):
        files.read_json(path)
    path.write_bytes(b"{\xff")
    with pytest.raises(UserError, match="not valid JSON"):
        files.read_json(path)
    with pytest.raises(UserError, match="cannot be read"):
        files.read_json(tmp_path)
    path.write_text("[" * 200_000)
    with pytest.raises(UserError, match="nested too deep"):
        files.read_json(path)
    path.write_text("x = " + "[" * 200_000)
    with pytest.raises(UserError, match="nested too deep"):
        files.read_toml(path)
    path.write_text("1" * 5_000)
    with pytest.raises(UserError, match="not valid JSON"):
        files.read_json(path)


def test_a_lock_is_ours_or_left_alone(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    for _ in range(2):
        with files.alone(lock, "busy"), pytest.raises(UserError, match=f"process {os.getpid()} is at it"):  # noqa: SIM117
            with files.alone(lock, "process {} is at it"):
                pass
    for text in ("1234", "mine", "hornbook x", "hornbook 1\nmine"):
        lock.write_text(text)
        with pytest.raises(UserError, match="is no lock of Hornbook's"), files.alone(lock, "busy"):
            pass
        assert lock.read_text() == text


def test_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert files.expanded("~/texts") == Path("/home/ada/texts") and files.expanded("a/~b") == Path("a/~b")
    with pytest.raises(UserError, match="there is no home of that name"):
        files.expanded("~who.is.this/x")


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
    changed = path.read_text().replace('"result": 3', '"result": 7')
    for damaged in ('{"key": "a", "res', "[]", '{"key": "a"}', changed):
        path.write_text(damaged)
        assert files.kept(path, "a") is None
