"""Packed weights that are kept: the same bits at the next start, and never those of another model or of a damaged file."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hornbook.errors import UserError
from hornbook.inference.executor import Part
from hornbook.inference.native import packed
from hornbook.inference.native.executor import NativeExecutor
from hornbook.model import save


@pytest.fixture(autouse=True)
def cache(library: ctypes.CDLL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache in which small models are kept, too."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(packed.PACKED, raising=False)
    monkeypatch.setattr(packed, "_LEAST", 0)
    return tmp_path / "cache"


@pytest.fixture
def model(make_model: Callable[..., Any], tmp_path: Path) -> Path:
    save(make_model(seed=3, tied_embeddings=False), tmp_path / "model")
    return tmp_path / "model"


def logits(executor: NativeExecutor) -> bytes:
    return executor.step([Part(list(range(20)), 0, [0], wanted="every")])[0].tobytes()


def packing_is_left_out(folder: Path) -> bool:
    return NativeExecutor(folder, threads=1)._packed is not None


def kept(cache: Path) -> list[Path]:
    return sorted(path for path in cache.rglob("*") if path.is_file())


def test_the_next_start_maps_what_the_first_one_packed(model: Path, cache: Path) -> None:
    before = {path.name: path.read_bytes() for path in model.iterdir()}
    first, second = NativeExecutor(model, threads=1), NativeExecutor(model, threads=1)
    assert (first._packed, second._packed is not None) == (None, True)
    assert logits(first) == logits(second)
    (only,) = kept(cache)
    assert only.stat().st_size > (model / "model.safetensors").stat().st_size
    assert {path.name: path.read_bytes() for path in model.iterdir()} == before


def changed(path: Path, change: Callable[[bytearray], bytearray]) -> None:
    path.write_bytes(change(bytearray(path.read_bytes())))


@pytest.mark.parametrize("where", [5, 60, 4096, 30000, -1], ids=["mark", "key", "first", "middle", "last"])
def test_a_damaged_file_is_made_again(where: int, model: Path, cache: Path) -> None:
    whole = logits(NativeExecutor(model, threads=1))
    (only,) = kept(cache)
    good = only.read_bytes()

    def flipped(raw: bytearray) -> bytearray:
        raw[where] ^= 0x80
        return raw

    for change in (flipped, lambda raw: raw[:-64], lambda raw: raw[:where], lambda raw: raw + bytes(64)):
        changed(only, change)
        again = NativeExecutor(model, threads=1)
        assert again._packed is None
        assert logits(again) == whole
        assert only.read_bytes() == good


def test_weights_that_changed_are_packed_again(model: Path, cache: Path, make_model: Callable[..., Any]) -> None:
    """Also where the new file has the size and the time of the old one."""
    old = logits(NativeExecutor(model, threads=1))
    times = (model / "model.safetensors").stat()
    save(make_model(seed=4, tied_embeddings=False), model)
    os.utime(model / "model.safetensors", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert (model / "model.safetensors").stat().st_size == times.st_size
    executor = NativeExecutor(model, threads=1)
    assert executor._packed is None
    assert logits(executor) != old
    assert len(kept(cache)) == 1
    assert packing_is_left_out(model)


def test_another_users_file_is_not_read(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    NativeExecutor(model, threads=1)
    mine = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: mine + 1)
    assert not packing_is_left_out(model)


def test_those_used_least_recently_leave_for_others(
    cache: Path, make_model: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [tmp_path / name for name in ("a", "b", "c")]
    for seed, folder in enumerate(folders):
        save(make_model(seed), folder)
    NativeExecutor(folders[0], threads=1)
    (size,) = (path.stat().st_size for path in kept(cache))
    theirs = cache / "hornbook" / "packed" / "notes" / "weights"
    theirs.parent.mkdir()
    theirs.write_bytes(bytes(3 * size))
    monkeypatch.setenv(packed.PACKED, str(2.5 * size / 1e9))
    NativeExecutor(folders[1], threads=1)
    for index, path in enumerate(sorted(kept(cache), key=lambda path: "a-" not in str(path))):
        os.utime(path, (index, index))  # b's is the younger one
    assert packing_is_left_out(folders[0])  # which is a use
    NativeExecutor(folders[2], threads=1)
    assert [packing_is_left_out(folders[index]) for index in (0, 2)] == [True, True]
    assert theirs.exists()
    assert len(kept(cache)) == 3
    assert not packing_is_left_out(folders[1])


def test_none_are_kept_where_none_are_wanted_or_there_is_no_room(
    model: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(packed.PACKED, "0")
    NativeExecutor(model, threads=1)
    assert not cache.exists()
    monkeypatch.setenv(packed.PACKED, "much")
    with pytest.raises(UserError, match="HORNBOOK_PACKED is 'much'; it says how many GB"):
        NativeExecutor(model, threads=1)
    monkeypatch.delenv(packed.PACKED)
    full = type("Usage", (), {"free": 100})
    monkeypatch.setattr("hornbook.inference.native.packed.shutil.disk_usage", lambda path: full)
    NativeExecutor(model, threads=1)
    assert kept(cache) == []


def test_a_sum_changes_with_every_bit_and_not_with_the_cut(library: ctypes.CDLL) -> None:
    numbers = np.random.default_rng(0).integers(0, 256, 64 * 5, np.uint8)

    def total(*parts: np.ndarray) -> list[int]:
        state = (ctypes.c_uint64 * 8)()
        for part in parts:
            library.hornbook_sum(state, np.ascontiguousarray(part).ctypes.data, len(part))
        return list(state)

    whole = total(numbers)
    assert total(numbers[:64], numbers[64:]) == whole
    assert total(numbers[64:], numbers[:64]) != whole
    for bit in range(0, 8 * len(numbers), 7):
        other = numbers.copy()
        other[bit // 8] ^= 1 << bit % 8
        assert total(other) != whole
