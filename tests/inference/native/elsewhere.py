"""The library built for another processor, in a process under qemu that does what `library.load()` would do here."""

from __future__ import annotations

import ctypes
import shutil
import struct
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hornbook.inference.native import library as libraries

ROOT = Path(__file__).parents[3]
COMPILER = "aarch64-linux-gnu-g++"
QEMU = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
_NUMBER, _BYTES, _ROOM = range(3)
_KERNELS, _MODEL, _FREE, _MATRIX, _ROWS, _VECTOR, _READ, _PRODUCT, _VECTORS = range(9)
_BITS = {0: 32, 1: 16, 2: 16, 3: 4, 4: 8}  # of matrix.h's types


def absent() -> str | None:
    """What the machine lacks; None where all is there."""
    if shutil.which(COMPILER) is None:
        return f"there is no {COMPILER} (Debian: g++-aarch64-linux-gnu)"
    return "there is no qemu-aarch64 (Debian: qemu-user)" if QEMU is None else None


def build(folder: Path) -> Path:
    """Compile the engine for AArch64 as pyproject.toml has it compiled, into a program that needs no libraries."""
    module = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["ext-modules"][0]
    sources = [ROOT / source for source in module["sources"] if not source.endswith("/interface.cpp")]
    made = folder / "elsewhere"
    command = [COMPILER, *module["extra-compile-args"], "-static", f"-I{sources[0].parent}", "-o", made]
    subprocess.run([*command, Path(__file__).with_suffix(".cpp"), *sources], check=True)
    return made


@dataclass(frozen=True)
class Room:
    """Memory of this process into which an answer goes: anything that ctypes takes as a pointer."""

    where: Any
    bytes: int


class Elsewhere:
    """The functions of `library.load()` that executors and tests call, with the same arguments."""

    def __init__(self, program: Path, processor: str = "max") -> None:
        assert QEMU is not None
        command = [QEMU, "-cpu", processor, program]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._shapes: dict[int, Any] = {}
        self._matrices: dict[tuple[int, int, int], tuple[int, int, int, int]] = {}  # type, rows, columns, groups
        self._unused: list[int] = []

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _call(self, function: int, *arguments: int | bytes | Room | None) -> int:
        while self._unused and function != _FREE:
            self._call(_FREE, self._unused.pop())
        message = struct.pack("<qq", function, len(arguments))
        for one in arguments:
            if isinstance(one, bytes):
                message += struct.pack("<qq", _BYTES, len(one)) + one
            elif isinstance(one, Room):
                message += struct.pack("<qq", _ROOM, one.bytes)
            else:
                message += struct.pack("<qq", _NUMBER, one or 0)
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(message)
        self._process.stdin.flush()
        result = struct.unpack("<q", self._process.stdout.read(8))[0]
        for one in arguments:
            if isinstance(one, Room):
                ctypes.memmove(one.where, self._process.stdout.read(one.bytes), one.bytes)
        return result

    def hornbook_kernels(self, index: int, here: Any) -> bytes | None:
        name = ctypes.create_string_buffer(32)
        return name.value if self._call(_KERNELS, index, Room(here, 4), Room(name, 32)) else None

    def hornbook_model(self, shape: Any, windows: int, *rest: int) -> int:
        s = shape._obj
        turns = [ctypes.string_at(one, s.rotary_size // 2 * 4) for one in rest[:3]]
        model = self._call(_MODEL, bytes(s), ctypes.string_at(windows, s.layers * 8), *turns, *rest[3:])
        self._shapes[model] = s
        return model

    def hornbook_model_free(self, model: int) -> None:
        self._unused.append(model)  # by the next call: this one may come in the middle of another

    def hornbook_matrix(self, model: int, layer: int, slot: int, *rest: Any) -> int:
        type_, rows, columns, group, *_ = rest
        self._matrices[model, layer, slot] = type_, rows, columns, columns // group
        return self._call(_MATRIX, model, layer, slot, *rest[:6], Room(rest[-1], 8))

    def hornbook_rows(self, model: int, layer: int, slot: int, first: int, count: int, *held: int | None) -> int:
        type_, _, columns, groups = self._matrices[model, layer, slot]
        sizes = (columns * _BITS[type_] // 8, groups * 2, groups)
        given = [one and ctypes.string_at(one, count * size) for one, size in zip(held, sizes, strict=True)]
        return self._call(_ROWS, model, layer, slot, first, count, *given)

    def hornbook_vector(self, model: int, *rest: int) -> None:
        *numbers, values = rest
        self._call(_VECTOR, model, *numbers, ctypes.string_at(values, numbers[-2] * 4))

    def hornbook_read(self, model: int, parts: ctypes.Array[libraries.Part], count: int, logits: int) -> int:
        ids = b"".join(ctypes.string_at(one.ids, one.count * 4) for one in parts)
        blocks = b"".join(ctypes.string_at(one.blocks, -(-(one.start + one.count) // 32) * 4) for one in parts)
        wanted = sum((0, 1, one.count)[one.wanted] for one in parts) * self._shapes[model].vocabulary
        return self._call(_READ, model, count, bytes(parts), ids, blocks, Room(logits, wanted * 4))

    def hornbook_product(self, model: int, layer: int, slot: int, tokens: int, x: int, y: int) -> None:
        _, rows, columns, _ = self._matrices[model, layer, slot]
        given = ctypes.string_at(x, tokens * columns * 4)
        self._call(_PRODUCT, model, layer, slot, tokens, given, Room(y, tokens * rows * 4))

    def hornbook_vectors(self, kernels: int, which: int, *rest: Any) -> None:
        *vectors, epsilon, n, y = rest
        given = (ctypes.string_at(one, n * 4) for one in vectors)
        self._call(_VECTORS, kernels, which, *given, struct.pack("<f", epsilon), n, Room(y, n * 4))
