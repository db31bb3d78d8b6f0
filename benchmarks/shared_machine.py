"""Tokens a second of a model, alone and beside a busy process, by how long OpenMP's threads spin before they sleep.

python benchmarks/shared_machine.py MODEL [--threads 1 2] [--spin 300000 10000 1000 0] [--tokens 48] [--into FILE.json]

Every case is a process of its own, since the setting counts when torch is loaded. 300000 is what libgomp does without a
setting. The busy process is bound to one core of those that the model may use, as somebody's training would be.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

PROMPT = "The capital of France is"


def measure(folder: Path, threads: int, tokens: int, repeats: int) -> list[float]:
    """Tokens a second of each repeat, in this process, after a few tokens to warm up; prompts count for nothing."""
    import torch

    from hornbook.inference.generate import stream
    from hornbook.model import load

    torch.set_num_threads(threads)
    model = load(folder, compute=torch.float32)
    prompt, speeds = list(range(5, 5 + len(PROMPT.split()))), []
    for count in (8, *[tokens] * repeats):
        ids = stream(model, prompt, limit=count, stops=())
        next(ids)
        began = time.perf_counter()
        made = sum(1 for _ in ids)
        speeds.append(made / (time.perf_counter() - began))
    return speeds[1:]


@contextlib.contextmanager
def busy(wanted: bool) -> Iterator[subprocess.Popen[bytes] | None]:
    """A process that does nothing but compute, on the last core that this one may use."""
    if not wanted:
        yield None
        return
    core = max(os.sched_getaffinity(0))
    code = f"import os\nos.sched_setaffinity(0, [{core}])\nwhile True: pass"
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def case(folder: Path, threads: int, spin: int, beside: bool, tokens: int, repeats: int) -> list[float]:
    """The same in a process with this setting."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    call = [sys.executable, __file__, str(folder), "--measure", str(threads), str(tokens), str(repeats)]
    with busy(beside):
        told = subprocess.run(
            call, env=kept | {"GOMP_SPINCOUNT": str(spin)}, check=True, capture_output=True, text=True
        ).stdout
    return list(map(float, json.loads(told)))


def main() -> None:
    """Each case several times, in turns, so that what else runs here hits all of them; median and best count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="a model folder")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--spin", type=int, nargs="+", default=[300_000, 10_000, 1_000, 0])
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--repeats", type=int, default=3, help="runs within a process")
    parser.add_argument("--rounds", type=int, default=2, help="processes for each case")
    parser.add_argument("--into", type=Path, help="write the figures to this JSON file")
    parser.add_argument("--measure", type=int, nargs=3, help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.measure:
        print(json.dumps(measure(told.model, *told.measure)))
        return
    from hornbook import machine
    from hornbook.files import write_json

    speeds: dict[tuple[int, bool, int], list[float]] = {}
    for _ in range(told.rounds):
        for threads in told.threads:
            for beside in (False, True):
                for spin in told.spin:
                    made = case(told.model, threads, spin, beside, told.tokens, told.repeats)
                    speeds.setdefault((threads, beside, spin), []).extend(made)
    rows = []
    for (threads, beside, spin), made in speeds.items():
        ordered = sorted(made)
        row = {"threads": threads, "beside": beside, "spin": spin}
        rows.append(row | {"median": round(ordered[len(ordered) // 2], 1), "best": round(ordered[-1], 1)})
        where = "beside a busy process" if beside else "alone"
        print(
            f"{threads} threads, {where:<22} spin {spin:>7,}: {rows[-1]['median']:>6} tokens/s, best {rows[-1]['best']}"
        )
    if told.into:
        write_json(told.into, {"rows": rows, "machine": machine.describe(), "load": os.getloadavg()})


if __name__ == "__main__":
    main()
