"""The header of a GGUF file: its keys and values, and where each tensor lies. Nothing of a tensor is read.

The layout is that of the format's description (docs/gguf.md in the ggml repository): a magic word, a version, two
counts, the keys with their typed values, the tensors' names, shapes, types and offsets, then, aligned, their bytes.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Any, BinaryIO, Never

import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFValueType

from hornbook.errors import UserError
from hornbook.model.formats.contents import ModelFile
from hornbook.model.formats.gguf.tensors import StoredTensor, supported

VERSIONS = (2, 3)

# What no real header comes near (a vocabulary of 262,144 tokens takes 15 MB): beyond it a file is damaged or hostile.
MOST_BYTES = 64 << 20
MOST_KEYS = 1 << 16
MOST_TENSORS = 1 << 16
MOST_STRINGS = 1 << 21
MOST_DIMENSIONS = 4

_NUMBERS = {
    GGUFValueType.UINT8: "<u1",
    GGUFValueType.INT8: "<i1",
    GGUFValueType.UINT16: "<u2",
    GGUFValueType.INT16: "<i2",
    GGUFValueType.UINT32: "<u4",
    GGUFValueType.INT32: "<i4",
    GGUFValueType.FLOAT32: "<f4",
    GGUFValueType.BOOL: "?",
    GGUFValueType.UINT64: "<u8",
    GGUFValueType.INT64: "<i8",
    GGUFValueType.FLOAT64: "<f8",
}


@dataclass(frozen=True)
class Header:
    """What a GGUF file says of itself. values: numbers, strings, lists of strings, arrays of numbers."""

    file: ModelFile
    values: dict[str, Any]
    tensors: dict[str, StoredTensor]

    def refuse(self, reason: str) -> Never:
        """Raise UserError that names this file."""
        raise UserError(f"{self.file.where}: {reason}")

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key that may be left out."""
        return self.values.get(key, default)

    def whole(self, key: str, default: int | None = None) -> int:
        """A whole number that is not negative. Raises UserError where it is missing or something else."""
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            self.refuse(f"{key} is {_told(value)}; a whole number is needed")
        return value

    def number(self, key: str, default: float | None = None) -> float:
        """A finite number. Raises UserError where it is missing or something else."""
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            self.refuse(f"{key} is {_told(value)}; a number is needed")
        return value

    def flag(self, key: str, default: bool) -> bool:
        """Yes or no. Raises UserError where it is something else."""
        value = self.values.get(key, default)
        if not isinstance(value, bool):
            self.refuse(f"{key} is {_told(value)}; true or false is needed")
        return value

    def strings(self, key: str) -> list[str]:
        """A list of strings. Raises UserError where it is missing or something else."""
        value = self.values.get(key)
        if not isinstance(value, list):
            self.refuse(f"{key} is {_told(value)}; a list of strings is needed")
        return value


def _told(value: Any) -> str:
    if value is None:
        return "missing"
    return "a list" if isinstance(value, list | np.ndarray) else f"{value!r:.60}"


def read(file: ModelFile) -> Header:
    """The header of a GGUF file.

    Raises UserError with one line for anything that is no whole GGUF file of a type and version that is supported,
    having read no more than a header can be.
    """
    try:
        with file.path.open("rb") as opened:
            opened.seek(file.start)
            return _Reader(opened, file).header()
    except OSError as error:
        raise UserError(f"{file.where} cannot be read: {error.strerror}") from None


class _Reader:
    """Reads one header, value by value, and never beyond the file's end or the limits above."""

    def __init__(self, opened: BinaryIO, file: ModelFile) -> None:
        self.opened, self.file, self.where = opened, file, file.where
        self.start, self.end, self.at = file.start, file.start + file.size, file.start
        self.strings = 0

    def header(self) -> Header:
        self.preamble()
        tensor_count, key_count = self.unpack("<QQ")
        if key_count > MOST_KEYS or tensor_count > MOST_TENSORS:
            self.damaged(f"it announces {key_count} keys and {tensor_count} tensors")
        values: dict[str, Any] = {}
        for _ in range(key_count):
            key = self.string()
            if key in values:
                self.damaged(f"the key {key!r:.60} is there twice")
            values[key] = self.value(key)
        alignment = values.get("general.alignment", 32)
        if type(alignment) is not int or not 0 < alignment <= 1 << 20 or alignment & (alignment - 1):
            self.damaged(f"general.alignment is {alignment!r:.60}; a power of two is needed")
        found = [self.tensor() for _ in range(tensor_count)]
        data = self.start + -(-(self.at - self.start) // alignment) * alignment
        tensors: dict[str, StoredTensor] = {}
        for name, shape, kind, offset in found:
            if name in tensors:
                self.damaged(f"the tensor {name!r:.60} is there twice")
            tensors[name] = self.placed(name, shape, kind, data + offset)
        return Header(self.file, values, tensors)

    def preamble(self) -> None:
        """The magic word and the version."""
        magic = self.opened.read(min(4, self.end - self.at))
        if magic == b"vers":
            self.refuse("a pointer of Git LFS, not the file itself; fetch it with `git lfs pull`")
        if magic != b"GGUF":
            older = " (an older format of llama.cpp)" if magic in (b"lmgg", b"fmgg", b"tjgg", b"algg") else ""
            self.refuse(f"no GGUF file{older}; a .gguf of version 2 or 3 is supported, or a wheel that holds one")
        self.at += 4
        (version,) = self.unpack("<I")
        if version & 0xFFFF == 0 and version:
            self.refuse("a big-endian GGUF file; little-endian ones are supported")
        if version not in VERSIONS:
            self.refuse(f"a GGUF file of version {version}; versions 2 and 3 are supported")

    def refuse(self, reason: str) -> Never:
        raise UserError(f"{self.where} is {reason}")

    def damaged(self, reason: str) -> Never:
        raise UserError(f"{self.where} is damaged: {reason}")

    def take(self, count: int) -> bytes:
        """The next bytes of the header."""
        if self.at + count > self.end:
            raise UserError(f"{self.where} is damaged or cut short: it ends within its header")
        if self.at + count - self.start > MOST_BYTES:
            self.damaged(f"its header is longer than {MOST_BYTES >> 20} MB")
        data = self.opened.read(count)
        if len(data) != count:
            raise UserError(f"{self.where} is damaged or cut short: it ends within its header")
        self.at += count
        return data

    def unpack(self, form: str) -> tuple[Any, ...]:
        return struct.unpack(form, self.take(struct.calcsize(form)))

    def string(self) -> str:
        (length,) = self.unpack("<Q")
        self.strings += 1
        if self.strings > MOST_STRINGS:
            self.damaged(f"its header holds more than {MOST_STRINGS} strings")
        try:
            return self.take(length).decode()
        except UnicodeDecodeError:
            self.damaged("its header holds a string that is not UTF-8")

    def kind(self, key: str) -> GGUFValueType:
        (code,) = self.unpack("<I")
        try:
            return GGUFValueType(code)
        except ValueError:
            self.damaged(f"{key!r:.60} has a value of the unknown type {code}")

    def value(self, key: str) -> Any:
        kind = self.kind(key)
        if kind == GGUFValueType.STRING:
            return self.string()
        if kind == GGUFValueType.ARRAY:
            return self.array(key)
        return self.numbers(kind, 1)[0]

    def array(self, key: str) -> Any:
        """A list of strings, or an array of numbers."""
        kind = self.kind(key)
        (count,) = self.unpack("<Q")
        if kind == GGUFValueType.ARRAY:
            self.damaged(f"{key!r:.60} is a list of lists, which no model needs")
        if kind == GGUFValueType.STRING:
            if count > MOST_STRINGS:
                self.damaged(f"{key!r:.60} announces {count} strings")
            return [self.string() for _ in range(count)]
        return np.frombuffer(self.take(count * np.dtype(_NUMBERS[kind]).itemsize), dtype=_NUMBERS[kind])

    def numbers(self, kind: GGUFValueType, count: int) -> list[Any]:
        dtype = np.dtype(_NUMBERS[kind])
        found = np.frombuffer(self.take(count * dtype.itemsize), dtype=dtype)
        if kind == GGUFValueType.FLOAT32:  # 1e-05, as it was meant, in place of 9.999999747378752e-06
            return [float(str(one)) for one in found]
        return [one.item() for one in found]

    def tensor(self) -> tuple[str, tuple[int, ...], int, int]:
        """Name, shape with rows first, the type's number, and the offset among the tensors' bytes."""
        name = self.string()
        (count,) = self.unpack("<I")
        if not 1 <= count <= MOST_DIMENSIONS:
            self.damaged(f"the tensor {name!r:.60} has {count} dimensions")
        shape = self.unpack(f"<{count}Q")
        kind, offset = self.unpack("<IQ")
        if min(shape) < 1 or math.prod(shape) >= 1 << 48:
            self.damaged(f"the tensor {name!r:.60} has the shape {shape}")
        return name, shape[::-1], kind, offset

    def placed(self, name: str, shape: tuple[int, ...], code: int, offset: int) -> StoredTensor:
        """A tensor whose type is known, and whose bytes are there."""
        try:
            kind = GGMLQuantizationType(code)
        except ValueError:
            self.unsupported(name, f"the type {code}")
        if not supported(kind):
            self.unsupported(name, kind.name)
        block, _ = GGML_QUANT_SIZES[kind]
        if shape[-1] % block:
            self.damaged(f"rows of the tensor {name!r:.60} have {shape[-1]} numbers, {kind.name} has blocks of {block}")
        tensor = StoredTensor(name, shape, kind, offset)
        if offset + tensor.size > self.end:
            raise UserError(f"{self.where} is damaged or cut short: it ends within the tensor {name!r:.60}")
        return tensor

    def unsupported(self, name: str, kind: str) -> Never:
        known = ", ".join(one.name for one in GGMLQuantizationType if supported(one))
        raise UserError(f"{self.where}: the tensor {name!r:.60} is stored as {kind}; supported are {known}")
