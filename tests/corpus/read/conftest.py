from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

MEASURE = """
import sys
from pathlib import Path
from hornbook import machine
from hornbook.corpus.read.kinds import Found
import hornbook.corpus.read.formats, hornbook.corpus.read.settings, pyarrow
path = Path(sys.argv[2])
found = Found(path, path.name)
machine.reset_peak_memory()
before = machine.peak_memory()
exec(sys.argv[1])
print(machine.peak_memory() - before)
"""


@pytest.fixture
def peak() -> Callable[[str, Path], int]:
    """How many bytes of memory some code takes that reads `found`, in a process of its own (Linux)."""
    if sys.platform != "linux":
        pytest.skip("memory is measured in other units")

    def measure(code: str, file: Path) -> int:
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, code, str(file)], capture_output=True, text=True, check=True
        )
        return int(done.stdout)

    return measure
