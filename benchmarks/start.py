"""How long a command takes from its start to its end with a model that is small: what there is beside computing.

python benchmarks/start.py MODEL [--calls 9] [--note TEXT] [--into benchmarks/start.json]

`hornbook generate MODEL` with one token, again and again; its processor's seconds, those of its own processes among
them, and those by the clock.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

from hornbook import machine
from hornbook.files import write_json


def call(model: Path) -> tuple[float, float]:
    """One call's seconds, of the processor and by the clock."""
    command = [sys.executable, "-m", "hornbook", "generate", str(model), "def double(n):", "--max-tokens", "1"]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    after, ended = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, ended - began


def main() -> None:
    """Call it, print and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--calls", type=int, default=9)
    parser.add_argument("--note", default="", help="what else the machine did")
    parser.add_argument("--into", type=Path)
    given = parser.parse_args()
    call(given.model)  # what is compiled and cached once
    found = zip(*(call(given.model) for _ in range(given.calls)), strict=True)
    told = {
        name: {"median": statistics.median(some), "least": min(some), "most": max(some)}
        for name, some in zip(("processor_seconds", "clock_seconds"), found, strict=True)
    }
    print(told)
    if given.into:
        about = {"model": given.model.name, "calls": given.calls, "note": given.note, "machine": machine.describe()}
        write_json(given.into, {**about, **told})


if __name__ == "__main__":
    main()
