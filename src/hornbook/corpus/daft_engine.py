"""Daft, silent: MinHash signatures are computed, and files that lie elsewhere are read, with it.

It reports its use over the network unless told not to before it is first imported, and draws its own bars: both are
off. On a cluster every worker has a Daft of its own.
"""

from __future__ import annotations

import importlib
import os
from functools import cache
from types import ModuleType


@cache
def daft() -> ModuleType:
    """Daft on this machine. It reads these variables when it is imported and when it runs."""
    os.environ["DO_NOT_TRACK"] = "true"
    os.environ["DAFT_PROGRESS_BAR"] = "0"
    engine = importlib.import_module("daft")
    engine.set_runner_native()
    return engine
