"""Filter and grade a folder of your own: what reads like a textbook comes first.

    python examples/filter_and_grade.py FOLDER [INTO]

Each step writes a folder with a manifest; the same call again finds it done. The settings are those of a recipe.
"""

from __future__ import annotations

import sys
from pathlib import Path

from hornbook import FILTER, GRADE, READ, ConsoleProgress, read_rows, run_stage


def main(folder: Path, into: Path, sample: int = 500) -> None:
    """Read, filter and grade `folder`; the built-in teacher grades `sample` documents, a classifier all of them."""
    progress = ConsoleProgress()
    read = run_stage(READ, into / "read", {"sources": [{"name": "mine", "path": str(folder)}]}, progress=progress)
    filtered = run_stage(
        FILTER,
        into / "filtered",
        {"heuristics.rules": ["gopher.few_words", "gopher.duplicate_lines"], "privacy.mask": ["email", "phone"]},
        corpus=read.folder,
        progress=progress,
    )
    graded = run_stage(GRADE, into / "graded", {"sample": sample}, corpus=filtered.folder, progress=progress)

    print(f"{read.figures['documents']} documents, dropped: {filtered.figures['removed']}")
    documents = sorted(read_rows(graded.folder, ["path", "score", "text"]), key=lambda row: -row["score"])
    for document in documents[:5]:
        print(f"{document['score']:.1f}  {document['path']}  {document['text'][:60]!r}")
    print(f"All of them, with their scores: {graded.folder}/documents/*.parquet")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "filtered-and-graded"))
