"""A model folder's weights, into the library: mapped from the files, packed for the processor piece by piece."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hornbook.errors import UserError
from hornbook.inference.native import library as libraries
from hornbook.model.config import ModelConfig
from hornbook.model.formats import safetensors
from hornbook.model.formats.adapter_config import is_adapter
from hornbook.model.formats.architectures import architecture_of, from_huggingface, read_values
from hornbook.model.formats.layout import Part, Parts, whole
from hornbook.model.formats.safetensors import Entry

# matrix.h's Type, by what safetensors files call it, and of quantized numbers by their bits.
_FLOATS = {"F32": 0, "F16": 1, "BF16": 2}
_BITS = {4: 3, 8: 4}
# model.h's Slot: of the model, and of each layer.
_OF_MODEL = {"embed": 0, "lm_head": 1, "norm": 2}
_OF_LAYER = {
    "attention_norm": 3,
    "attention.qkv": 4,
    "attention.out": 5,
    "mlp_norm": 6,
    "mlp.up": 7,
    "mlp.gate_up": 7,
    "mlp.down": 8,
}
_BLOCK = 32  # columns whose activations share a scale
_PIECE = 16 << 20  # bytes of a file that are mapped in memory at once


Region = tuple[int, int]  # where a packed matrix lies in memory, and how many bytes it takes


class NotNative(Exception):  # noqa: N818
    """This model, or this folder, is not one for the native engine; says why. PyTorch may well read it."""


@dataclass(frozen=True)
class Folder:
    """A model folder as the library can hold it."""

    config: ModelConfig
    parts: dict[str, Parts]
    stored: Mapping[str, Entry]


def look(folder: Path) -> Folder:
    """What lies in a folder; nothing but headers is read.

    Raises NotNative, also where there is no library, or UserError for a damaged one.
    """
    library = libraries.load()
    if isinstance(library, str):
        raise NotNative(library)
    if is_adapter(folder):
        raise NotNative("an adapter beside its model is not computed natively")
    values = read_values(folder)
    form = architecture_of(values, folder / "config.json")
    config = from_huggingface(values, folder / "config.json")
    reason = unsupported(config)
    if reason is not None:
        raise NotNative(reason)
    if not any((folder / f"{safetensors.WEIGHTS}{end}").is_file() for end in ("", ".index.json")):
        raise NotNative("the weights are not in safetensors files")
    stored = safetensors.find(folder)
    parts: dict[str, Parts] = {}
    for name, ways in form.layout(config).items():
        found = [way for way in ways if all(_kinds(part, stored) for part in way)]
        if not found:
            raise NotNative(f"the folder lacks {ways[0][0].theirs}")
        parts[name] = found[0]
    known = {leaf for way in parts.values() for part in way for leaf in _leaves(part.theirs)}
    unknown = sorted(set(stored) - known)
    if unknown:
        raise NotNative(f"the folder holds {unknown[0]}")
    return Folder(config, parts, stored)


def unsupported(config: ModelConfig) -> str | None:
    """What a model has that the native engine does not compute; None where there is nothing of the kind."""
    if config.experts is not None:
        return "a mixture of experts is not computed natively"
    if config.positions != "rotary" or "sparse" in config.kinds or config.dummy_tokens:
        return "its attention or positions are not computed natively"
    if config.activation == "gegelu":
        return "gegelu is not computed natively"
    return None


def fill(library: ctypes.CDLL, model: int, folder: Folder, packed: NDArray[np.uint8] | None = None) -> list[Region]:
    """Pack every weight of a folder into a model of the library. Raises NotNative, or UserError for damaged weights.

    packed: its matrices as they were packed before, one behind the other; the model then reads them there. Returns
    where they lie, in that order.
    """
    packing = _Packing(library, model, folder, packed)
    for name, way in folder.parts.items():
        module, _, leaf = name.rpartition(".")
        if leaf == "bias" or module.endswith("norm"):
            packing.vector(name, way)
        else:
            packing.matrix(name, way)
    return packing.regions


class _Packing:
    """A folder on its way into a model of the library."""

    def __init__(self, library: ctypes.CDLL, model: int, folder: Folder, packed: NDArray[np.uint8] | None) -> None:
        self._library, self._model, self._config, self._stored = library, model, folder.config, folder.stored
        self._packed, self._next = packed, 0
        self.regions: list[Region] = []
        self._maps = {entry.file: _Map(entry.file) for entry in folder.stored.values()}

    def vector(self, name: str, way: Parts) -> None:
        """The weight of a norm, or a bias."""
        total = _size(name, self._config)
        for part in way:
            entry = self._stored[part.theirs]
            first, count = _rows(name, part, total)
            if entry.shape != (count,):
                raise UserError(f"{entry.file}: {part.theirs} is {entry.shape}, config.json asks for {(count,)}")
            values = np.ascontiguousarray(_floats(entry, self._bytes(entry, 0, count)))
            if not np.isfinite(values).all():
                raise _damaged(entry, part.theirs)
            where = (self._model, *_slot(name.rpartition(".")[0]), name.endswith("bias"))
            self._library.hornbook_vector(*where, first, count, total, values.ctypes.data)

    def matrix(self, name: str, way: Parts) -> None:
        """A matrix, of floats or quantized."""
        total, columns = _size(name, self._config), _columns(name, self._config)
        forms = {_form(part.theirs, columns, self._stored) for part in way}
        if len(forms) > 1:
            raise NotNative(f"the matrices that make {name} are stored in different ways")
        form = forms.pop()
        if form.bits and columns % _BLOCK:
            raise NotNative(f"{name} has {columns} columns, no multiple of {_BLOCK}")
        where = (self._model, *_slot(name.rpartition(".")[0]))
        shape = (form.type, total, columns, form.group, form.scale_type, form.zeros)
        there = None if self._packed is None else self._packed.ctypes.data + self._next
        size = ctypes.c_int64()
        address = self._library.hornbook_matrix(*where, *shape, there, ctypes.byref(size))
        if not address:
            raise UserError(f"there is no memory for the weights of {name}")
        self.regions.append((address, size.value))
        if self._packed is not None:
            self._next += size.value
            assert self._next <= len(self._packed), "packed weights are those of this folder"
            return
        for part in way:
            first, count = _rows(name, part, total)
            for start, rows, pointers in self._pieces(part.theirs, (count, columns), form):
                if not self._library.hornbook_rows(*where, first + start, rows, *pointers):
                    raise _damaged(self._stored[f"{part.theirs}_scale" if form.bits else part.theirs], part.theirs)

    def _pieces(
        self, theirs: str, shape: tuple[int, int], form: _Form
    ) -> Iterator[tuple[int, int, tuple[int | None, ...]]]:
        """A published matrix, a few megabytes at a time: first row, rows, where numbers, scales and zeros lie."""
        count, columns = shape
        groups = columns // form.group
        entry = self._entry(f"{theirs}_packed", (count, columns * form.bits // 32)) if form.bits else None
        entry = entry or self._entry(theirs, shape)
        scale = self._entry(f"{theirs}_scale", (count, groups)) if form.bits else None
        zeros = self._zeros(f"{theirs}_zero_point", count, groups) if form.zeros else None
        row = max(1, entry.shape[1] * safetensors.BYTES[entry.code])
        step = max(64, _PIECE // row // 64 * 64)
        for start in range(0, count, step):
            rows = min(step, count - start)
            values = self._bytes(entry, start, rows)
            scales = None if scale is None else self._bytes(scale, start, rows)
            points = None if zeros is None else zeros[start : start + rows]
            yield start, rows, tuple(None if one is None else one.ctypes.data for one in (values, scales, points))
            self._maps[entry.file].forget()

    def _entry(self, name: str, shape: tuple[int, ...]) -> Entry:
        """A tensor that must have a shape."""
        entry = self._stored[name]
        if entry.shape != shape:
            raise UserError(f"{entry.file}: {name} is {entry.shape}, config.json asks for {shape}")
        return entry

    def _bytes(self, entry: Entry, first: int, count: int) -> NDArray[np.uint8]:
        return self._maps[entry.file].bytes(entry, first, count)

    def _zeros(self, name: str, rows: int, groups: int) -> NDArray[np.uint8]:
        """Zero points, packed along the rows as 4 bits shifted by 8 -> (rows, groups), shifted."""
        words = -(-rows // 8)
        entry = self._entry(name, (words, groups))
        packed = self._bytes(entry, 0, words).view(np.uint32).reshape(words, 1, groups)
        each = packed >> (4 * np.arange(8, dtype=np.uint32))[None, :, None] & 15
        return np.ascontiguousarray(each.reshape(-1, groups)[:rows].astype(np.uint8))


def _leaves(theirs: str) -> tuple[str, ...]:
    """Names under which a published tensor, or a quantized one in its place, is stored."""
    return (theirs, *(f"{theirs}_{leaf}" for leaf in ("packed", "scale", "zero_point", "shape")))


def _kinds(part: Part, stored: Mapping[str, Entry]) -> bool:
    """Whether a part is there, as it is or quantized."""
    return part.theirs in stored or f"{part.theirs}_packed" in stored


def _slot(module: str) -> tuple[int, int]:
    """Layer, -1 for none, and slot of a module of ours."""
    if module in _OF_MODEL:
        return -1, _OF_MODEL[module]
    _, layer, rest = module.split(".", 2)
    return int(layer), _OF_LAYER[rest]


class _Map:
    """A file in memory, of which only what is looked at is held, and given back at once."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def bytes(self, entry: Entry, first: int, count: int) -> NDArray[np.uint8]:
        """The bytes of rows first..first+count of a tensor."""
        row = int(np.prod(entry.shape[1:], dtype=np.int64)) * safetensors.BYTES[entry.code]
        return np.frombuffer(self._pages, np.uint8, count * row, entry.start + first * row)

    def forget(self) -> None:
        """Give back what was read."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self._pages.madvise(mmap.MADV_DONTNEED)


def _floats(entry: Entry, raw: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The bytes of a tensor of floats in fp32."""
    if entry.code == "BF16":
        return (raw.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    if entry.code not in _FLOATS:
        raise NotNative(f"{entry.code} is not computed natively")
    return raw.view(np.float32 if entry.code == "F32" else np.float16).astype(np.float32)


def _rows(name: str, part: Part, total: int) -> tuple[int, int]:
    """Which rows of our tensor `name` a part is: the first, and how many."""
    if part.of_theirs is not whole:
        raise NotNative(f"{name} lies in another order of rows")
    rows = part.of_ours(np.arange(total))  # type: ignore[arg-type]  # a view of rows is one of any array
    return int(rows[0]), len(rows)


def _size(name: str, c: ModelConfig) -> int:
    """Rows of our tensor `name`."""
    inner = c.mlp_width * (1 if c.activation == "gelu" else 2)
    sizes = {
        "embed": c.vocabulary,
        "lm_head": c.vocabulary,
        "mlp.up": inner,
        "mlp.gate_up": inner,
        "attention.qkv": (c.heads + 2 * c.key_value_heads) * c.head_size,
    }
    module = name.rpartition(".")[0]
    return sizes.get(module if module in sizes else module.split(".", 2)[-1], c.width)


def _columns(name: str, c: ModelConfig) -> int:
    """Columns of our matrix `name`."""
    if name.endswith("attention.out.weight"):
        return c.heads * c.head_size
    return c.mlp_width if name.endswith("mlp.down.weight") else c.width


@dataclass(frozen=True)
class _Form:
    """How a matrix is stored: 0 bits for floats."""

    type: int
    bits: int = 0
    group: int = _BLOCK
    scale_type: int = 1
    zeros: bool = False


def _form(theirs: str, columns: int, stored: Mapping[str, Entry]) -> _Form:
    if theirs in stored:
        entry = stored[theirs]
        if entry.code not in _FLOATS:
            raise NotNative(f"{entry.code} is not computed natively")
        return _Form(_FLOATS[entry.code])
    packed, scale = stored[f"{theirs}_packed"], stored.get(f"{theirs}_scale")
    if scale is None or len(packed.shape) != 2 or len(scale.shape) != 2 or packed.code != "I32":
        raise NotNative(f"{theirs} is quantized in another way than pack-quantized")
    bits, rest = divmod(packed.shape[1] * 32, columns)
    group = columns // scale.shape[1]
    zeros = f"{theirs}_zero_point" in stored
    if rest or bits not in _BITS or scale.code not in ("F16", "BF16") or group % _BLOCK or (zeros and bits == 8):
        raise NotNative(f"{theirs} has {bits} bits in groups of {group}, with scales in {scale.code}")
    return _Form(_BITS[bits], bits, group, _FLOATS[scale.code], zeros)


def _damaged(entry: Entry, name: str) -> UserError:
    return UserError(
        f"{entry.file}: {name} holds numbers that are NaN or infinite; the file is damaged, or its training diverged"
    )
