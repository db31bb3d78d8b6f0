"""All that Daft does for Hornbook: MinHash signatures, and files that lie elsewhere.

Daft reports its use over the network unless told not to before it is first imported, and draws its own bars: both are
off. On a cluster every worker has a Daft of its own.
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
    """MinHash signatures (texts, hashes) of the sets of `shingle` words in a row; words end at single spaces.

    Computed in this thread, on a series: the threads of Daft's engine now and then crash the interpreter at its end.
    """
    import numpy as np
    import pyarrow as pa

    series = engine().Series.from_arrow(pa.array(texts, pa.large_string()))
    signed = series.minhash(hashes, shingle, 1, "xxhash3_64").to_arrow()
    signatures: NDArray[np.uint32] = np.asarray(signed.flatten(), np.uint32).reshape(-1, hashes)
    return signatures


@cache
def engine() -> ModuleType:
    """Daft on this machine, silent: it reads these variables when it is imported and when it runs."""
    os.environ["DO_NOT_TRACK"] = "true"
    os.environ["DAFT_PROGRESS_BAR"] = "0"
    daft = importlib.import_module("daft")
    daft.set_runner_native()
    return daft
