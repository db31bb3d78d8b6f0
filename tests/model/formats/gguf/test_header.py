"""A GGUF header is read as the gguf package reads it; a damaged or hostile one is one line, at once and in no memory."""

from __future__ import annotations

import resource
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hornbook.errors import UserError
from hornbook.model.formats.contents import ModelFile
from hornbook.model.formats.gguf import header


def read(path: Path) -> header.Header:
    return header.read(ModelFile(path, str(path), 0, path.stat().st_size))


@pytest.fixture
def small(tmp_path: Path, write_gguf: Callable[..., Path]) -> Path:
    values = {
        "llama.context_length": 64,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.flag": True,
        "general.name": "näme",
        "tokenizer.ggml.tokens": ["a", "漢字", "🙂"],
        "tokenizer.ggml.scores": [0.5, -1.0, 2.0],
        "tokenizer.ggml.token_type": [1, 3, 6],
    }
    tensors = {"one.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "two.bias": np.ones(5, dtype=np.float32)}
    return write_gguf(tmp_path / "small.gguf", "llama", values, tensors)


def test_values_and_tensors_are_those_of_the_gguf_package(small: Path) -> None:
    ours, theirs = read(small), gguf.GGUFReader(small)
    fields = {name: field.contents() for name, field in theirs.fields.items() if not name.startswith("GGUF.")}
    assert ours.values.keys() == fields.keys()
    for name, value in fields.items():
        mine = ours.values[name]
        assert (mine.tolist() if isinstance(mine, np.ndarray) else mine) == pytest.approx(value)
    assert ours.values["llama.attention.layer_norm_rms_epsilon"] == 1e-5  # as it was meant, not as fp32 holds it
    for tensor in theirs.tensors:
        stored = ours.tensors[tensor.name]
        assert (stored.shape, stored.kind) == (tuple(reversed(tensor.shape.tolist())), tensor.tensor_type)
        assert (stored.offset, stored.size) == (tensor.data_offset, tensor.n_bytes)


def test_a_file_may_begin_inside_another(small: Path, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    outer.write_bytes(b"x" * 77 + small.read_bytes() + b"y" * 9)
    inner = header.read(ModelFile(outer, "inner", 77, small.stat().st_size))
    assert {name: tensor.offset - 77 for name, tensor in inner.tensors.items()} == {
        name: tensor.offset for name, tensor in read(small).tensors.items()
    }


def refused(path: Path, data: bytes) -> str:
    """What is said of such a file: one line that names it."""
    path.write_bytes(data)
    with pytest.raises(UserError) as error:
        read(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)
    return str(error.value)[len(str(path)) :]


def test_a_file_that_is_cut_short_anywhere_is_one_line(small: Path, tmp_path: Path) -> None:
    data = small.read_bytes()
    end = max(tensor.offset + tensor.size for tensor in read(small).tensors.values())
    for length in range(end):
        assert refused(tmp_path / "cut.gguf", data[:length])


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bits=st.lists(st.integers(0, 8 * 700 - 1), min_size=1, max_size=4))
def test_flipped_bits_are_read_or_refused(bits: list[int], small: Path, tmp_path: Path) -> None:
    data = bytearray(small.read_bytes())
    for bit in bits:
        if bit // 8 < len(data):
            data[bit // 8] ^= 1 << bit % 8
    path = tmp_path / "flipped.gguf"
    path.write_bytes(data)
    try:
        read(path)
    except UserError as error:
        assert "\n" not in str(error)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200))
def test_any_bytes_behind_the_magic_word_are_read_or_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "random.gguf"
    path.write_bytes(b"GGUF\3\0\0\0" + data)
    try:
        read(path)
    except UserError as error:
        assert "\n" not in str(error)


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def begin(tensors: int, keys: int, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, keys)


STRING, ARRAY, UINT8, FLOAT64 = (int(kind) for kind in map(gguf.GGUFValueType, (8, 9, 0, 12)))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "is no GGUF file"),
        (b"PK\3\4" + bytes(99), "is no GGUF file; a .gguf of version 2 or 3 is supported"),
        (b"tjgg" + bytes(99), "(an older format of llama.cpp)"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS"),
        (begin(0, 0, version=1), "is a GGUF file of version 1; versions 2 and 3 are supported"),
        (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "is a big-endian GGUF file; little-endian ones are supported"),
        (begin(1 << 60, 0), "it announces 0 keys and 1152921504606846976 tensors"),
        (begin(0, 1 << 60), "it announces 1152921504606846976 keys"),
        (begin(0, 1) + struct.pack("<Q", 1 << 62), "it ends within its header"),
        (begin(0, 1) + text("k") + struct.pack("<IQ", STRING, (1 << 64) - 1), "it ends within its header"),
        (begin(0, 1) + text("k") + struct.pack("<I", 99), "'k' has a value of the unknown type 99"),
        (
            begin(0, 1) + text("k") + struct.pack("<IIQ", ARRAY, STRING, 1 << 60),
            "'k' announces 1152921504606846976 str",
        ),
        (begin(0, 1) + text("k") + struct.pack("<IIQ", ARRAY, FLOAT64, 1 << 61), "it ends within its header"),
        (begin(0, 1) + text("k") + struct.pack("<IIQ", ARRAY, ARRAY, 1) * 9, "'k' is a list of lists"),
        (begin(0, 1) + text("k") + struct.pack("<IQ", STRING, 2) + b"\xff\xfe", "a string that is not UTF-8"),
        (begin(0, 2) + (text("k") + struct.pack("<IB", UINT8, 1)) * 2, "the key 'k' is there twice"),
        (begin(1, 0) + text("t") + struct.pack("<I", 1 << 31), "the tensor 't' has 2147483648 dimensions"),
        (begin(1, 0) + text("t") + struct.pack("<IQQIQ", 2, 1 << 40, 1 << 40, 0, 0), "the tensor 't' has the shape"),
        (begin(1, 0) + text("t") + struct.pack("<IQIQ", 1, 0, 0, 0), "the tensor 't' has the shape (0,)"),
        (begin(1, 0) + text("t") + struct.pack("<IQIQ", 1, 4, 0, 1 << 63), "it ends within the tensor 't'"),
        (begin(1, 0) + text("t") + struct.pack("<IQIQ", 1, 33, 2, 0), "Q4_0 has blocks of 32"),
        (
            begin(1, 0) + text("t") + struct.pack("<IQIQ", 1, 4, 77, 0),
            "stored as the type 77; supported are F32, F16, Q4_0",
        ),
        (begin(1, 0) + text("t") + struct.pack("<IQIQ", 1, 4, 26, 0), "stored as I32; supported are F32, F16, Q4_0"),
        (begin(2, 0) + (text("t") + struct.pack("<IQIQ", 1, 1, 0, 0)) * 2 + bytes(64), "the tensor 't' is there twice"),
        (
            begin(0, 1) + text("general.alignment") + struct.pack("<II", 4, 3),
            "general.alignment is 3; a power of two is needed",
        ),
    ],
)
def test_hostile_headers_are_one_line(data: bytes, told: str, tmp_path: Path) -> None:
    assert told in refused(tmp_path / "hostile.gguf", data)


def test_a_header_that_grows_without_end_is_given_up_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sparse files: what they announce is really there, and is not read to the end."""
    monkeypatch.setattr(header, "MOST_STRINGS", 1 << 18)
    for name, body, told in (
        ("strings", struct.pack("<IIQ", ARRAY, STRING, 1 << 18), "its header holds more than 262144 strings"),
        ("numbers", struct.pack("<IIQ", ARRAY, FLOAT64, 1 << 28), "its header is longer than 64 MB"),
        ("string", struct.pack("<IQ", STRING, 1 << 32), "its header is longer than 64 MB"),
    ):
        path = tmp_path / f"{name}.gguf"
        path.write_bytes(begin(0, 1 << 16) + text("k") + body)
        with path.open("r+b") as file:
            file.truncate(8 << 30)
        began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(UserError, match=told):
            read(path)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024
        assert time.monotonic() - began < 30
        path.unlink()


def test_messages_of_values_name_the_key(small: Path) -> None:
    found = read(small)
    for ask, told in (
        (lambda: found.whole("general.name"), "general.name is 'näme'; a whole number is needed"),
        (lambda: found.whole("llama.none"), "llama.none is missing; a whole number is needed"),
        (lambda: found.number("llama.flag"), "llama.flag is True; a number is needed"),
        (lambda: found.flag("llama.context_length", True), "llama.context_length is 64; true or false is needed"),
        (
            lambda: found.strings("tokenizer.ggml.scores"),
            "tokenizer.ggml.scores is a list; a list of strings is needed",
        ),
    ):
        with pytest.raises(UserError) as error:
            _: Any = ask()
        assert str(error.value) == f"{small}: {told}"
