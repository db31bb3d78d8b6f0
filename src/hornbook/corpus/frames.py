"""All that Daft does for Hornbook: MinHash signatures and grouping, here on all cores or on a Ray cluster.

Daft reports its use over the network unless told not to before it is first imported, and draws its own bars: both are
off. Rows carry their numbers, as no operation promises an order. Hashes stay in Arrow columns as unsigned 64-bit
integers: as Python integers, those above 2^63 would silently become floats.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hornbook.workers import runner

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def minhash(texts: Sequence[str], *, hashes: int, shingle: int) -> NDArray[np.uint32]:
    """MinHash signatures (texts, hashes) of the sets of `shingle` words in a row; words end at single spaces."""
    import numpy as np
    import pyarrow as pa

    daft = _daft()
    table = pa.table({"row": pa.array(range(len(texts)), pa.int64()), "text": pa.array(texts, pa.string())})
    signature = daft.col("text").minhash(num_hashes=hashes, ngram_size=shingle, seed=1, hash_function="xxhash3_64")
    signed = _frame(daft, table).select(daft.col("row"), signature.alias("signature")).to_arrow()
    flat = signed["signature"].combine_chunks().flatten().to_numpy()
    ordered: NDArray[np.uint32] = flat.reshape(-1, hashes)[np.argsort(signed["row"].to_numpy())]
    return ordered


def groups(keys: NDArray[np.uint64], rows: NDArray[np.int64]) -> Iterator[list[int]]:
    """The rows that share a key, for each key that two or more rows have: ascending lists, in ascending order."""
    import pyarrow as pa

    daft = _daft()
    table = pa.table({"key": pa.array(keys, pa.uint64()), "row": pa.array(rows, pa.int64())})
    row = daft.col("row")
    grouped = _frame(daft, table).groupby("key").agg(row.list_agg().alias("rows"), row.count().alias("count"))
    shared = grouped.where(daft.col("count") > 1).select("rows").to_arrow()
    yield from sorted(sorted(members) for members in shared["rows"].to_pylist())


def smallest(keys: Sequence[str], ranks: Sequence[int]) -> dict[str, int]:
    """For each key the smallest of its ranks, whatever the order of the rows."""
    import pyarrow as pa

    daft = _daft()
    table = pa.table({"key": pa.array(keys, pa.string()), "rank": pa.array(ranks, pa.int64())})
    least = _frame(daft, table).groupby("key").agg(daft.col("rank").min()).to_arrow()
    return dict(zip(least["key"].to_pylist(), least["rank"].to_pylist(), strict=True))


def _daft() -> ModuleType:
    """Daft on its runner, silent: it reads these variables when it is imported and when it runs."""
    os.environ["DO_NOT_TRACK"] = "true"
    os.environ["DAFT_PROGRESS_BAR"] = "0"
    daft = importlib.import_module("daft")
    runner.start(daft)
    return daft


def _frame(daft: ModuleType, table: Any) -> Any:
    """A pyarrow table as Daft's, in as many pieces as there are processors on a cluster."""
    parts = runner.parts()
    whole = daft.from_arrow(table)
    return whole if parts == 1 else whole.into_partitions(parts)
