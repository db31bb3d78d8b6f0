"""Where the work on documents is done: on this machine's cores, or on a Ray cluster. The rows are the same either way.

The runner belongs to a machine and not to a recipe: it is chosen once for the whole process, before the first document
is read, and no manifest knows of it. Whoever uses the library without choosing gets one process.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from types import ModuleType
from typing import Literal

from hornbook.errors import UserError, nearest

Runner = Literal["native", "ray"]
RUNNERS: tuple[Runner, ...] = ("native", "ray")
ADDRESS = "RAY_ADDRESS"

_chosen: Runner | None = None
_workers = 1


def choose(name: str | None = None, workers: int = 1) -> Runner:
    """Choose by name; unless told, Ray where RAY_ADDRESS names a cluster, else this machine with so many processes.

    Raises UserError for an unknown name, and for Ray where it is not installed.
    """
    global _chosen, _workers  # one choice a process
    if name is not None and name not in RUNNERS:
        raise UserError(f"there is no runner {name!r}{nearest(name, RUNNERS)}; the runners are {' and '.join(RUNNERS)}")
    wanted: Runner = ("ray" if os.environ.get(ADDRESS) else "native") if name is None else _named(name)
    if wanted == "ray" and importlib.util.find_spec("ray") is None:
        why = f"{ADDRESS} is set, and the" if name is None else "the"
        raise UserError(f"{why} runner ray needs the ray library: pip install ray, or --runner native")
    _chosen, _workers = wanted, workers
    return wanted


def chosen() -> Runner:
    """The runner that was chosen; where nobody chose, what `choose` does by itself."""
    return _chosen or choose()


def workers() -> int:
    """How many processes of this machine work at once."""
    return _workers


def _named(name: str) -> Runner:
    return "ray" if name == "ray" else "native"


def cluster() -> ModuleType:
    """Ray, joined to the cluster that RAY_ADDRESS names or to one on this machine; quietly, without its telemetry.

    Raises UserError when the cluster can't be reached.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    ray = importlib.import_module("ray")
    if ray.is_initialized():
        return ray
    address = os.environ.get(ADDRESS)
    try:
        ray.init(
            address=address or "local",
            log_to_driver=False,
            logging_level="error",
            configure_logging=True,
            include_dashboard=None if address else False,
        )
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        line = (str(error).strip() or type(error).__name__).split("\n", 1)[0]
        raise UserError(f"no Ray cluster at {ADDRESS}={address or 'local'}: {line}") from None
    return ray
