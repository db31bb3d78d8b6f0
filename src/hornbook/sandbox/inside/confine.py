"""What a program's own process does to itself before it reads a line of the program."""

from __future__ import annotations

import math
import os
import resource
import signal
from collections.abc import Callable
from dataclasses import dataclass

RESULTS = 3
"""The descriptor on which a program's process answers; 0 is at its end, what goes to 1 and 2 is thrown away."""

OPEN_FILES = 64
_PROCESSES = 64


@dataclass(frozen=True)
class Rules:
    """What the other side asked for; see `hornbook.sandbox.program.Limits`."""

    isolated: bool
    seconds: float
    patience: float
    memory_bytes: int
    output_bytes: int
    file_bytes: int
    folder_bytes: int


@dataclass(frozen=True)
class Ends:
    """A program's ends of three pipes, all above 2: one at its end, one for what it prints, one for its answer."""

    empty: int
    printed: int
    results: int


def confine(rules: Rules, ends: Ends, put_on_filter: Callable[[], None] | None) -> None:
    """Keep only the ends, take the limits, put on the filter. Raises OSError when one is refused."""
    results = ends.results
    os.dup2(ends.empty, 0)  # the answer's comes last: one of the others may lie where it comes to lie
    os.dup2(ends.printed, 1)
    os.dup2(ends.printed, 2)
    if results != RESULTS:
        os.dup2(results, RESULTS)
    os.closerange(RESULTS + 1, 2 * OPEN_FILES)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for kind, value in _resources(rules):
        try:
            resource.setrlimit(kind, (value, value))
        except (ValueError, OSError):  # macOS knows some of them by name only
            if rules.isolated:
                raise
    if put_on_filter:
        put_on_filter()


def _resources(rules: Rules) -> list[tuple[int, int]]:
    return [
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, rules.memory_bytes),
        # A backstop: the supervisor ends a program first unless several threads compute.
        (resource.RLIMIT_CPU, math.ceil(rules.seconds) + 1),
        (resource.RLIMIT_FSIZE, rules.file_bytes),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        # In namespaces of its own the kernel counts only what is in there, and the filter forbids processes;
        # in plain sight all of the user's count, so that only a limit of none keeps a program from making more.
        (resource.RLIMIT_NPROC, _PROCESSES if rules.isolated else 0),
    ]
