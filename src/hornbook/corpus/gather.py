"""One corpus of several, which portions wrote."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from hornbook.corpus.shards import DOCUMENTS, REMOVED, rows_in
from hornbook.files import remove_folder


def gather(folders: Sequence[Path], into: Path) -> None:
    """Make one corpus of the corpora in `folders`, in their order. Can be interrupted and repeated.

    Files without rows are left out where there are others. The portions stay, without taking room of their own, until
    whoever runs the stage deletes its scratch folder.
    """
    for part in (DOCUMENTS, REMOVED):
        files = [file for folder in folders for file in sorted((folder / part).glob("*.parquet"))]
        filled = [file for file in files if rows_in(file) > 0]
        remove_folder(into / part)
        (into / part).mkdir(parents=True)
        for number, file in enumerate(filled or files[:1]):
            _link(file, into / part / f"part-{number:05d}.parquet")


def _link(file: Path, place: Path) -> None:
    """The same file in a second place: without copying, where the disk can."""
    try:
        os.link(file, place)
    except OSError:
        temporary = place.with_name(f".{place.name}.tmp")
        shutil.copyfile(file, temporary)
        temporary.replace(place)
