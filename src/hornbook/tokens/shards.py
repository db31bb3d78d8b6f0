"""Rows of token ids on disk: a flat little-endian file, and an index that says how to read it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from hornbook.errors import UserError
from hornbook.files import read_json, write_json, write_parts

if TYPE_CHECKING:
    from hornbook.model.tokenizers import Tokenizer

_LIST = ".documents.json"  # behind a shard's name: the ids of its documents
# What no file name may have, what would hide it, and what would make a shard's index the list of another's documents.
_ESCAPED = re.compile(r"[/\\%:\x00-\x1f]|^\.|\.(?=documents$)")


def _path(folder: Path, name: str, ending: str) -> Path:
    """A shard's file. Shards of validation are named after sources, which may have any characters."""
    return folder / f"{_ESCAPED.sub(lambda found: f'%{ord(found[0]):02X}', name)}{ending}"


def names(folder: Path) -> list[str]:
    """The shards of a tokens stage's `shards` or `validation`, sorted; none where there is no such folder."""
    files = [path.name for path in folder.glob("*.json")]
    return sorted(unquote(name.removesuffix(".json")) for name in files if not name.endswith(_LIST))


def write(folder: Path, name: str, table: NDArray[np.integer[Any]], vocabulary: int, **facts: Any) -> None:
    """Write `table` (rows, row length) as `name`.bin (uint16 if the vocabulary allows, else uint32) and `name`.json."""
    rows, row = table.shape
    write_blocks(folder, name, [table], rows, row, vocabulary, **facts)


def write_blocks(
    folder: Path,
    name: str,
    blocks: Iterable[NDArray[np.integer[Any]]],
    rows: int,
    row: int,
    vocabulary: int,
    **facts: Any,
) -> None:
    """Like `write`, for a table that comes in blocks, each of some rows of length `row`; `rows` in all."""
    kind = "uint16" if vocabulary <= 1 << 16 else "uint32"
    dtype = np.dtype(kind).newbyteorder("<")
    write_parts(_path(folder, name, ".bin"), (np.ascontiguousarray(block, dtype=dtype).tobytes() for block in blocks))
    write_json(_path(folder, name, ".json"), {"dtype": kind, "rows": rows, "row": row, **facts})


def write_documents(folder: Path, name: str, ids: Sequence[str]) -> None:
    """Write the ids of a shard's documents beside it, in the order in which they were packed."""
    write_json(_path(folder, name, _LIST), list(ids))


def documents(folder: Path, name: str) -> list[str]:
    """The ids of a shard's documents, in the order in which they were packed."""
    found: list[str] = read_json(_path(folder, name, _LIST))
    return found


def packed_documents(tokens: Path) -> dict[str, list[str]]:
    """Ids of the documents in each training shard of a tokens stage's folder, in the order in which they were packed.

    The shards are named after phase and ingredient: `phase1-0` is the first ingredient of phase 1's mixture.
    """
    folder = tokens / "shards"
    found = sorted(unquote(path.name.removesuffix(_LIST)) for path in folder.glob(f"*{_LIST}"))
    return {name: documents(folder, name) for name in found}


def read(folder: Path, name: str) -> NDArray[np.integer[Any]]:
    """Map a shard into memory: (rows, row length). Raises UserError when file and index disagree."""
    described = _path(folder, name, ".json")
    index = read_json(described)
    try:
        dtype = np.dtype(index["dtype"]).newbyteorder("<")
        expected = index["rows"] * index["row"] * dtype.itemsize
    except (KeyError, TypeError):
        raise UserError(f"{described} is no shard's index; run the tokens stage again with --force tokens") from None
    path = _path(folder, name, ".bin")
    if not path.is_file() or path.stat().st_size != expected:
        raise UserError(f"{path} should hold {expected} bytes; run the tokens stage again with --force tokens")
    if index["rows"] == 0:
        return np.zeros((0, index["row"]), dtype=dtype)
    return np.memmap(path, dtype=dtype, mode="r", shape=(index["rows"], index["row"]))


def pad_of(folder: Path, tokenizer: Tokenizer) -> int:
    """The id that fills up rows of a tokens stage's `shards` or `validation`: its own tokenizer's, which lies beside.

    A model with the same tokenizer whose files name other ends would fill up with another id, and take these for text.
    `tokenizer` tells where none lies beside.
    """
    from hornbook.model.tokenizers import Tokenizer

    own = folder.parent / "tokenizer"
    return (Tokenizer(own) if own.is_dir() else tokenizer).pad
