"""Conversations and preferences without the problems that the model will be measured with."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hornbook.corpus.contamination import Detector, load_problems
from hornbook.corpus.settings import CleanSettings
from hornbook.files import read_jsonl, write_jsonl


def clean_talks(files: Iterable[Path], problems: Path, settings: CleanSettings, *, into: Path) -> dict[str, Any]:
    """Copy each .jsonl to `into` without the rows that hold a problem; those go to `into/removed/`.

    A row has `messages` or a `prompt`, and perhaps `chosen`. Returns how many rows of each file were kept and removed.
    """
    detector = Detector(load_problems(problems), gram=settings.gram, match=settings.match)
    figures = {}
    for path in files:
        rows = list(read_jsonl(path))
        leaks = detector.find([_text(row) for row in rows])
        kept = [row for row, leak in zip(rows, leaks, strict=True) if leak is None]
        removed = [
            {**row, "reason": "contamination", "problem": leak.problem.id, "share": leak.share}
            for row, leak in zip(rows, leaks, strict=True)
            if leak is not None
        ]
        write_jsonl(into / path.name, kept)
        write_jsonl(into / "removed" / path.name, removed)
        figures[path.stem] = {"kept": len(kept), "removed": len(removed)}
    return figures


def _text(row: dict[str, Any]) -> str:
    """All that is said in a row; the rejected answer too, since it is a near copy of the chosen one."""
    spoken = [message["content"] for message in row.get("messages", [])]
    return "\n".join([*spoken, row.get("prompt", ""), row.get("chosen", ""), row.get("rejected", "")])
