"""Why documents are removed."""

from __future__ import annotations

from dataclasses import dataclass

from hornbook.corpus.decontaminate import CONTAMINATED

EXACT = "exact duplicate"
NEAR = "near duplicate"
REASONS = (EXACT, NEAR, CONTAMINATED)


@dataclass(frozen=True)
class Removal:
    """Why a document is removed, and the id of the document that it repeats or of the problem that it holds."""

    reason: str
    kept: str


Removals = dict[int, Removal]  # by the documents' numbers
