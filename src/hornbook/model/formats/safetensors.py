"""The headers of safetensors files: where each tensor lies, without PyTorch and before any of it is read."""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from hornbook.errors import UserError
from hornbook.files import read_json

Found = TypeVar("Found")

WEIGHTS = "model.safetensors"

# What a header calls the kinds of numbers, and their bytes.
BYTES = {
    "F64": 8,
    "F32": 4,
    "F16": 2,
    "BF16": 2,
    "F8_E4M3": 1,
    "F8_E5M2": 1,
    "I64": 8,
    "I32": 4,
    "I16": 2,
    "I8": 1,
    "U8": 1,
    "BOOL": 1,
}
_POINTER = b"version https://git-lfs"


@dataclass(frozen=True)
class Entry:
    """A tensor in a file: `code` is a key of BYTES, `start` the file's byte at which it begins."""

    file: Path
    shape: tuple[int, ...]
    code: str
    start: int


def find(folder: Path) -> dict[str, Entry]:
    """Every tensor of a model folder with safetensors files, in one file or in several that an index lists.

    Raises UserError for a file that is missing, cut short, or no file of weights.
    """
    index = folder / f"{WEIGHTS}.index.json"
    return find_shards(index, read) if index.exists() else read(folder / WEIGHTS)


def find_shards(index: Path, read: Callable[[Path], dict[str, Found]]) -> dict[str, Found]:
    """The tensors that an index lists, each in the file that the index says, which `read` reads."""
    listed = read_json(index)
    places = listed.get("weight_map") if isinstance(listed, dict) else None
    if not isinstance(places, dict) or not all(isinstance(name, str) for name in places.values()):
        raise UserError(f"{index} has no weight_map, which tells the tensors' files")
    shards = {}
    for name in sorted(set(places.values())):
        if Path(name).name != name:
            raise UserError(f"{index} names the file {name!r}, which does not lie beside it")
        shards[name] = read(index.parent / name)
    tensors = {}
    for tensor, name in places.items():
        if tensor not in shards[name]:
            raise UserError(f"{index.parent / name} lacks the tensor {tensor}, which {index.name} places there")
        tensors[tensor] = shards[name][tensor]
    for name, shard in shards.items():
        unlisted = sorted(set(shard) - {tensor for tensor, place in places.items() if place == name})
        if unlisted:
            raise UserError(f"{index} does not list the tensor {unlisted[0]} of {name}")
    return tensors


def read(path: Path) -> dict[str, Entry]:
    """The tensors of one safetensors file, by its header: 8 bytes of length, then JSON, then the tensors' bytes."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            head = file.read(len(_POINTER))
            if head == _POINTER:
                raise UserError(f"{path} is a pointer of Git LFS, not the file itself; fetch it with `git lfs pull`")
            head = head[:8]
            file.seek(8)
            length = struct.unpack("<Q", head)[0] if len(head) == 8 else size
            if length > size - 8:
                raise UserError(f"{path} is damaged or cut short: it ends within its header")
            header = json.loads(file.read(length))
    except FileNotFoundError:
        raise UserError(f"{path} is missing") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise UserError(f"{path} is damaged or cut short: its header is not valid JSON") from None
    if not isinstance(header, dict):
        raise UserError(f"{path} is damaged or cut short: its header is not valid")
    header.pop("__metadata__", None)
    tensors = {name: _entry(path, name, entry, 8 + length, size) for name, entry in header.items()}
    ends = [entry["data_offsets"][1] for entry in header.values()]
    if 8 + length + max(ends, default=0) != size:
        raise UserError(f"{path} is damaged: it holds bytes that belong to no tensor")
    return tensors


def _entry(path: Path, name: str, entry: Any, start: int, size: int) -> Entry:
    """One tensor of a safetensors header. start: of all tensors' bytes in the file; size: of the file."""
    try:
        code, (begin, end) = entry["dtype"], entry["data_offsets"]
        shape = tuple(entry["shape"])
        numbers = (*shape, begin, end)
        valid = all(isinstance(number, int) and not isinstance(number, bool) and number >= 0 for number in numbers)
        valid = valid and isinstance(code, str) and len(shape) <= 8 and max(numbers) < 1 << 48
    except (TypeError, ValueError, KeyError):
        valid = False
    if not valid:
        raise UserError(f"{path} is damaged or cut short: the header's entry of {name} is not valid")
    if code not in BYTES:
        raise UserError(f"{path}: the tensor {name} has the dtype {code!r}, which is not supported")
    if end - begin != math.prod(shape) * BYTES[code]:
        raise UserError(f"{path} is damaged or cut short: the tensor {name} has not the bytes that its shape needs")
    if start + end > size:
        raise UserError(f"{path} is damaged or cut short: it ends within the tensor {name}")
    return Entry(path, shape, code, start + begin)
