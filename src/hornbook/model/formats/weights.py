"""Tensors in files: safetensors read through memory maps and written piece by piece; old pickled files are read too.

A model is never held twice: a tensor that is taken as it is stays in the file's own pages, one that is converted or
rearranged is copied in pieces whose pages are given back (but for those of pickled files, which torch maps as a whole).
"""

from __future__ import annotations

import json
import math
import mmap
import os
import re
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hornbook.errors import UserError
from hornbook.files import whole, write_json
from hornbook.model.formats import safetensors
from hornbook.model.formats.safetensors import WEIGHTS

_NAMES = r"model(-\d{5}-of-\d{5})?\.safetensors(\.index\.json)?"  # what a model folder's weights are called
PICKLED = "pytorch_model.bin"
PIECE = 4 << 20  # bytes that are copied or written at once
CACHED = 1 << 20  # bytes that stay in a processor's cache
SHARD = 5_000_000_000  # bytes of tensors in one file

_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}
_CODES = {dtype: code for code, dtype in _DTYPES.items()}


@dataclass(frozen=True)
class Stored:
    """A tensor in a file, of which nothing is read yet."""

    file: Path
    shape: tuple[int, ...]
    dtype: torch.dtype
    open: Callable[[], Opened]


@dataclass(frozen=True)
class Opened:
    """A stored tensor in memory: its pages come from the file when they are touched."""

    tensor: Tensor
    forget: Callable[[], None]
    """Give back the pages that were read; they are read again when they are touched again."""


def find(folder: Path) -> dict[str, Stored]:
    """Every tensor of a model folder by name, whether it lies in one file or in several that an index lists.

    Raises UserError for a file that is missing, cut short, or no file of weights.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; give a model folder with config.json and {WEIGHTS}")
    for name, read in ((WEIGHTS, _read_safetensors), (PICKLED, _read_pickled)):
        index = folder / f"{name}.index.json"
        if index.exists():
            return safetensors.find_shards(index, read)
        if (folder / name).is_file():
            return read(folder / name)
    shards = sorted(folder.glob("model-*-of-*.safetensors"))
    if shards:
        raise UserError(
            f"{folder / WEIGHTS}.index.json is missing; it tells where in {len(shards)} files a tensor lies"
        )
    raise UserError(f"{folder / WEIGHTS} is missing")


def of_file(path: Path) -> dict[str, Stored]:
    """Every tensor of one file by name, safetensors or, by its ending, pickled. Raises UserError as `find` does."""
    return _read_pickled(path) if path.suffix == ".bin" else _read_safetensors(path)


def _read_safetensors(path: Path) -> dict[str, Stored]:
    """The tensors of one safetensors file."""
    return {name: _stored(entry) for name, entry in safetensors.read(path).items()}


def _stored(entry: safetensors.Entry) -> Stored:
    dtype = _DTYPES[entry.code]
    return Stored(entry.file, entry.shape, dtype, lambda: _map(entry.file, entry.start, entry.shape, dtype))


def _map(path: Path, offset: int, shape: tuple[int, ...], dtype: torch.dtype) -> Opened:
    """A tensor in the pages of a file. Writing to it changes memory, never the file."""
    count = math.prod(shape)
    if not count:
        return Opened(torch.empty(shape, dtype=dtype), lambda: None)
    before = offset % mmap.ALLOCATIONGRANULARITY
    with path.open("rb") as file:
        if before % dtype.itemsize:  # kernels may count on aligned numbers: read, rather than map, what is not
            data = bytearray(count * dtype.itemsize)
            file.seek(offset)
            file.readinto(data)
            return Opened(torch.frombuffer(data, dtype=dtype).view(shape), lambda: None)
        length = before + count * dtype.itemsize
        pages = mmap.mmap(file.fileno(), length, access=mmap.ACCESS_COPY, offset=offset - before)
    tensor = torch.frombuffer(pages, dtype=dtype, count=count, offset=before).view(shape)

    def forget() -> None:
        if hasattr(mmap, "MADV_DONTNEED"):
            pages.madvise(mmap.MADV_DONTNEED)

    return Opened(tensor, forget)


def _read_pickled(path: Path) -> dict[str, Stored]:
    """The tensors of a file that torch.save wrote; nothing in it is executed."""
    if not path.is_file():
        raise UserError(f"{path} is missing")
    try:
        held = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # the unpickler raises whatever a damaged file leads it to
        reason = str(error).strip().split("\n", 1)[0][:200]
        raise UserError(f"{path} is damaged, cut short or not a file of weights alone: {reason}") from None
    if not isinstance(held, dict) or not all(isinstance(one, Tensor) for one in held.values()):
        raise UserError(f"{path} holds something else than tensors by name")

    def stored(tensor: Tensor) -> Stored:
        return Stored(path, tuple(tensor.shape), tensor.dtype, lambda: Opened(tensor, lambda: None))

    return {str(name): stored(tensor) for name, tensor in held.items()}


def slices(tensor: Tensor, size: int | None = None) -> Iterator[slice]:
    """Where to cut a tensor, row by row, so that pieces have about `size` bytes, PIECE unless given."""
    step = max(1, (size or PIECE) // max(1, tensor[:1].numel() * tensor.element_size()))
    for start in range(0, len(tensor), step):
        yield slice(start, start + step)


def copy(
    source: Tensor,
    into: Tensor,
    forget: Callable[[], None] = lambda: None,
    look: Callable[[Tensor], None] = lambda piece: None,
) -> None:
    """Copy, and convert, `source` to `into` of the same shape, calling `forget` after every few megabytes.

    `look` sees every piece of the source while it is in the processor's cache.
    """
    if not source.ndim:
        source, into = source[None], into[None]
    for large in slices(source):
        for small in slices(source[large], CACHED):
            piece = source[large][small]
            look(piece)
            into[large][small].copy_(piece)
        forget()


def equal(one: Stored, other: Stored) -> bool:
    """Whether two tensors of one shape hold the same numbers; they are read in pieces."""
    first, second = one.open(), other.open()
    for rows in slices(first.tensor):
        if not torch.equal(first.tensor[rows].float(), second.tensor[rows].float()):
            return False
        first.forget()
        second.forget()
    return True


@dataclass(frozen=True)
class Written:
    """A tensor that will be written: its bytes are made when their turn comes."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    make: Callable[[], Tensor]

    @property
    def size(self) -> int:
        """Number of bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


def save(tensors: Mapping[str, Written], folder: Path, shard: int = SHARD) -> None:
    """Write `tensors` into model.safetensors, or into several files and an index where they exceed `shard` bytes.

    Weights that an earlier save left in `folder` under other names are deleted.
    """
    folder.mkdir(parents=True, exist_ok=True)
    groups = _shards(tensors, shard)
    names = [WEIGHTS]
    if len(groups) > 1:
        names = [f"model-{number:05d}-of-{len(groups):05d}.safetensors" for number in range(1, len(groups) + 1)]
    for name, group in zip(names, groups, strict=True):
        write(folder / name, {tensor: tensors[tensor] for tensor in group})
    kept = set(names)
    if len(groups) > 1:
        index = f"{WEIGHTS}.index.json"
        places = {tensor: name for name, group in zip(names, groups, strict=True) for tensor in group}
        total = sum(tensor.size for tensor in tensors.values())
        write_json(folder / index, {"metadata": {"total_size": total}, "weight_map": places})
        kept.add(index)
    for path in folder.iterdir():  # of the model that lay here before, and of nothing else that is called alike
        if path.name not in kept and re.fullmatch(_NAMES, path.name):
            path.unlink()


def _shards(tensors: Mapping[str, Written], shard: int) -> list[list[str]]:
    """Names of tensors, in their order, cut where a file would exceed `shard` bytes."""
    groups: list[list[str]] = [[]]
    room = shard
    for name, tensor in tensors.items():
        if groups[-1] and tensor.size > room:
            groups.append([])
            room = shard
        groups[-1].append(name)
        room -= tensor.size
    return groups


def write(path: Path, tensors: Mapping[str, Written]) -> None:
    """Write one safetensors file, whole or not at all. Wide numbers come first, so that all are aligned."""
    order = sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name))
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name in order:
        tensor = tensors[name]
        begin, end = end, end + tensor.size
        header[name] = {"dtype": _CODES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-(8 + len(text)) % 64)  # so that the first tensor begins where vector loads like it
    with whole(path) as temporary, temporary.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in order:
            for piece in _pieces(tensors[name].make()):
                file.write(piece)
        file.flush()
        os.fsync(file.fileno())


def _pieces(tensor: Tensor) -> Iterable[memoryview]:
    """The bytes of a tensor, a few megabytes at a time."""
    flat = tensor.detach()
    rows = flat if flat.ndim else flat[None]
    for part in slices(rows):
        piece = rows[part].cpu().contiguous()
        yield piece.reshape(-1).view(torch.uint8).numpy().data
