"""What becomes of documents that are not kept."""

from __future__ import annotations

from dataclasses import dataclass

EXACT = "exact duplicate"
NEAR = "near duplicate"
CONTAMINATED = "contamination"
REASONS = (EXACT, NEAR, CONTAMINATED)


@dataclass(frozen=True)
class Fate:
    """Why a document is dropped, and the id of what it repeats or leaks."""

    reason: str
    kept: str


Fates = dict[int, Fate]  # by the documents' numbers
