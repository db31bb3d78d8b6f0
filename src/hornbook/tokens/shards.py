"""Rows of token ids on disk: a flat little-endian file, and an index that says how to read it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hornbook.errors import UserError
from hornbook.files import read_json, write_json, write_parts

if TYPE_CHECKING:
    from hornbook.model.tokenizers import Tokenizer


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
    write_parts(folder / f"{name}.bin", (np.ascontiguousarray(block, dtype=dtype).tobytes() for block in blocks))
    write_json(folder / f"{name}.json", {"dtype": kind, "rows": rows, "row": row, **facts})


def packed_documents(tokens: Path) -> dict[str, list[str]]:
    """Ids of the documents in each training shard of a tokens stage's folder, in the order in which they were packed.

    The shards are named after phase and ingredient: `phase1-0` is the first ingredient of phase 1's mixture.
    """
    ending = ".documents.json"
    found = sorted((tokens / "shards").glob(f"*{ending}"))
    return {path.name.removesuffix(ending): read_json(path) for path in found}


def read(folder: Path, name: str) -> NDArray[np.integer[Any]]:
    """Map a shard into memory: (rows, row length). Raises UserError when file and index disagree."""
    index = read_json(folder / f"{name}.json")
    try:
        dtype = np.dtype(index["dtype"]).newbyteorder("<")
        expected = index["rows"] * index["row"] * dtype.itemsize
    except (KeyError, TypeError):
        raise UserError(
            f"{folder / name}.json is no shard's index; run the tokens stage again with --force tokens"
        ) from None
    path = folder / f"{name}.bin"
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
