"""Tokens a second, alone and beside a busy process, by how long OpenMP's threads spin before they sleep.

python benchmarks/shared_machine.py [MODEL] [--threads 2] [--spin 300000 30000 10000 3000 1000 0] [--into FILE.json]

Of a model that generates; without one, of the pocket recipe's model that is trained. Each setting has a process of
its own, since it counts when torch is loaded, and they work in turns, so that what else changes a machine's speed hits
all of them. 300000 is what libgomp does without a setting. The busy process is bound to one of the cores, as
somebody's training would be.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PROMPT = list(range(5, 10))
STEPS, TOKENS = 4, 24  # of a turn


def training() -> Callable[[], int]:
    """A turn of pretraining at the pocket recipe's shape, on random ids, which returns how many tokens it read."""
    import torch

    from hornbook.model.transformer import Transformer
    from hornbook.recipe import load, locate
    from hornbook.train import optimizers, parallel
    from hornbook.train.losses import count_targets, token_cross_entropy

    recipe = load(locate("pocket")[1])
    model = Transformer(recipe.model).train()
    parallel.prepare_blocks(model, "none", compiled=True)
    updating = optimizers.build(model, recipe.pretrain, torch.float32)
    ids = torch.randint(recipe.model.vocabulary, (recipe.pretrain.batch, recipe.model.context + 1))
    inputs, targets = ids[:, :-1], ids[:, 1:]

    def turn() -> int:
        for _ in range(STEPS):
            token_cross_entropy(model, inputs, targets, count_targets(targets)).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for one in updating:
                one.step()
                one.zero_grad(set_to_none=True)
        return STEPS * targets.numel()

    return turn


def generating(folder: Path) -> Callable[[], int]:
    """A turn of generating greedily, which returns how many tokens it made; the prompt is read in its time."""
    import torch

    from hornbook.inference.generate import stream
    from hornbook.model import load

    model = load(folder, compute=torch.float32)
    return lambda: sum(1 for _ in stream(model, PROMPT, limit=TOKENS, stops=()))


def work(turn: Callable[[], int]) -> None:
    """A turn for each line that comes in; its tokens a second go out."""
    for _ in range(2):
        turn()
    print("ready", flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        print(turn() / (time.perf_counter() - began), flush=True)


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


@contextlib.contextmanager
def workers(folder: Path | None, threads: int, spins: list[int]) -> Iterator[dict[int, subprocess.Popen[str]]]:
    """By setting a process that waits for its turn."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    call = [sys.executable, __file__, *([str(folder)] if folder else []), "--work"]
    started = {
        spin: subprocess.Popen(
            call,
            env=kept | {"GOMP_SPINCOUNT": str(spin), "OMP_NUM_THREADS": str(threads)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for spin in spins
    }
    try:
        for process in started.values():
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                raise SystemExit("a worker ended before its first turn; it says why above")
        yield started
    finally:
        for process in started.values():
            process.kill()
            process.wait()


def measure(folder: Path | None, threads: int, spins: list[int], beside: bool, rounds: int) -> dict[int, list[float]]:
    """By setting, the tokens a second of each round."""
    speeds: dict[int, list[float]] = {spin: [] for spin in spins}
    with workers(folder, threads, spins) as started, busy(beside):
        for _ in range(rounds):
            for spin, process in started.items():
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write("\n")
                process.stdin.flush()
                speeds[spin].append(float(process.stdout.readline()))
    return speeds


def main() -> None:
    """Median and range of each setting, alone and beside."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, nargs="?", help="a model folder; without one the pocket model is trained")
    parser.add_argument("--threads", type=int, help="one for each core unless told")
    parser.add_argument("--spin", type=int, nargs="+", default=[300_000, 30_000, 10_000, 3_000, 1_000, 0])
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--into", type=Path, help="write the figures to this JSON file")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.work:
        work(generating(told.model) if told.model else training())
        return
    from hornbook import machine
    from hornbook.files import write_json

    threads, rows = told.threads or machine.cores(), []
    for beside in (False, True):
        for spin, speeds in measure(told.model, threads, told.spin, beside, told.rounds).items():
            least, middle, most = min(speeds), statistics.median(speeds), max(speeds)
            rows.append({"beside": beside, "spin": spin, "median": middle, "least": least, "most": most})
            where = "beside a busy process" if beside else "alone"
            print(f"{where:<22} spin {spin:>7,}: {middle:>8,.1f} tokens/s ({least:,.1f} to {most:,.1f})", flush=True)
    if told.into:
        what = str(told.model) if told.model else "training the pocket model"
        write_json(told.into, {"what": what, "threads": threads, "rows": rows, "machine": machine.describe()})


if __name__ == "__main__":
    main()
