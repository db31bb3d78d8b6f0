"""Programs a second in the sandbox: the built-in teacher's exercises, each in a process of its own and in groups.

python benchmarks/sandbox_speed.py [--programs 1000]
"""

from __future__ import annotations

import argparse
import itertools
import os
import time
from collections.abc import Sequence
from pathlib import Path

from hornbook.sandbox.program import Program
from hornbook.sandbox.sandbox import Sandbox
from hornbook.teacher.builtin.teacher import BuiltinTeacher
from hornbook.teacher.checks import program_of
from hornbook.teacher.interface import Exercise


def main() -> None:
    """Tell the best of five rounds of each way, and the start of a sandbox."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=int, default=1_000)
    parser.add_argument("--together", type=int, default=200)
    asked = parser.parse_args()
    rows = BuiltinTeacher().exercises(seed=1).more(asked.programs)
    exercises = [row for row in itertools.islice(rows, asked.programs) if isinstance(row, Exercise)]
    programs = [program_of(row.text, row.name, row.cases, ours=True) for row in exercises]
    began = time.perf_counter()
    with Sandbox() as sandbox:
        started = time.perf_counter() - began
        print(f"a sandbox starts in {started:.2f} s ({sandbox.isolation.how})")
        for label, together in (("alone", 1), (f"{asked.together} together", asked.together)):
            rounds = [_seconds(sandbox, programs, together) for _ in range(5)]
            wall, cpu = min(wall for wall, _ in rounds), min(cpu for _, cpu in rounds)
            each = f"{1e3 * wall / len(programs):.2f} ms each, {1e3 * cpu / len(programs):.2f} ms of processors"
            print(f"{label}: {len(programs) / wall:,.0f} programs a second, {each}")


def _seconds(sandbox: Sandbox, programs: Sequence[Program], together: int) -> tuple[float, float]:
    """By the clock on the wall, and of processors, which other work on the machine disturbs less."""
    began, used = time.perf_counter(), _used(sandbox)
    outcomes = list(sandbox.run(programs, together=together))
    assert all(outcome.status == "ok" for outcome in outcomes)
    return time.perf_counter() - began, _used(sandbox) - used


def _used(sandbox: Sandbox) -> float:
    """Seconds of processors that this process, the keeper, the supervisor and its programs have taken so far."""
    assert sandbox._supervisor is not None
    keeper = sandbox._supervisor._process.pid
    (pid_1,) = Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()
    ticks = 0
    for pid in (os.getpid(), keeper, pid_1):  # proc(5): utime, stime, and those of children that were waited for
        ticks += sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
