"""Programs a second in the sandbox: the built-in teacher's exercises, each in a process of its own and in groups.

    python benchmarks/sandbox_speed.py [--programs 1000]
"""

from __future__ import annotations

import argparse
import itertools
import time

from hornbook.sandbox.sandbox import Sandbox
from hornbook.teacher.builtin.teacher import BuiltinTeacher
from hornbook.teacher.checks import program_of
from hornbook.teacher.interface import Exercise


def main() -> None:
    """Time the best of three rounds of each way, and the start of a sandbox."""
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
            best = min(_seconds(sandbox, programs, together) for _ in range(3))
            print(f"{label}: {len(programs) / best:,.0f} programs a second, {1e3 * best / len(programs):.2f} ms each")


def _seconds(sandbox: Sandbox, programs: list, together: int) -> float:
    began = time.perf_counter()
    outcomes = list(sandbox.run(programs, together=together))
    assert all(outcome.status == "ok" for outcome in outcomes)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
