"""All that Daft does for Hornbook: MinHash signatures, and files that lie elsewhere.

Daft reports its use over the network unless told not to before it is first imported, and draws its own bars: both are
off. Rows carry their numbers, as no operation promises an order. On a cluster every worker has a Daft of its own.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def minhash(texts: Sequence[str], *, hashes: int, shingle: int) -> NDArray[np.uint32]:
    """MinHash signatures (texts, hashes) of the sets of `shingle` words in a row; words end at single spaces."""
    import numpy as np
    import pyarrow as pa

    daft = engine()
    table = pa.table({"row": pa.array(range(len(texts)), pa.int64()), "text": pa.array(texts, pa.string())})
    signature = daft.col("text").minhash(num_hashes=hashes, ngram_size=shingle, seed=1, hash_function="xxhash3_64")
    signed = daft.from_arrow(table).select(daft.col("row"), signature.alias("signature")).to_arrow()
    flat = signed["signature"].combine_chunks().flatten().to_numpy()
    ordered: NDArray[np.uint32] = flat.reshape(-1, hashes)[np.argsort(signed["row"].to_numpy())]
    return ordered


@cache
def engine() -> ModuleType:
    """Daft on this machine, silent: it reads these variables when it is imported and when it runs."""
    os.environ["DO_NOT_TRACK"] = "true"
    os.environ["DAFT_PROGRESS_BAR"] = "0"
    daft = importlib.import_module("daft")
    daft.set_runner_native()
    return daft
