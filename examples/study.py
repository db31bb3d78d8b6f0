"""Is one way better than another, or is it chance? A study's arms with several seeds, compared pair by pair.

    python examples/study.py STUDY.toml [FOLDER]

Without a file it is the study `phases`, which takes hours; what was done is not done again.
"""

from __future__ import annotations

import sys
from pathlib import Path

from hornbook import ConsoleProgress, run_study


def main(study: str | Path, into: Path, *, allow_unisolated: bool = False) -> None:
    """Run the study and say of every measure what it found. `study.html` in the folder shows every seed."""
    result = run_study(study, into, progress=ConsoleProgress(), allow_unisolated=allow_unisolated)
    for compared in result["comparisons"]:
        for arm in compared["arms"]:
            print(f"{compared['checkpoint']}, {compared['measure']}: {arm['sentence']}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "phases", Path(sys.argv[2] if len(sys.argv) > 2 else "runs/study"))
