"""Where a document came from and what became of it: its way through the folders of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hornbook.documents import DOCUMENTS, REMOVED, ids_that_begin, rows_where
from hornbook.errors import UserError
from hornbook.runs import manifest
from hornbook.tokens.settings import Component

_GRADES = "grades.parquet"
_TAKEN = "in the mixture"
_SHORTEST = 4  # characters of an id's beginning


@dataclass(frozen=True)
class Step:
    """What one stage did with a document: `kept` it or not, `columns` as the stage wrote them, and why in words."""

    stage: str
    folder: Path
    kept: bool
    columns: Mapping[str, Any]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trace:
    """A document's way: its steps in the order of the run, and the documents that were dropped in its favour."""

    id: str
    text: str
    steps: tuple[Step, ...]
    repeats: tuple[Mapping[str, Any], ...] = field(default=())


def trace(identity: str, folders: Sequence[Path]) -> Trace:
    """Follow the document with this id, or with the only id that begins so, through stages' folders in their order.

    Raises UserError when they know no such document, or several.
    """
    manifests = {folder: manifest.read(folder) for folder in folders}
    stages = {folder: found for folder, found in manifests.items() if found is not None}
    whole = _whole(identity, list(stages))
    steps: list[Step] = []
    repeats: list[Mapping[str, Any]] = []
    text = ""
    for folder, found in stages.items():
        for part, kept in ((DOCUMENTS, True), (REMOVED, False)):
            for row in rows_where(folder, "id", [whole], part=part):
                text = max(text, row.pop("text", "") or "", key=len)
                notes = (*_grade(folder, whole), *_why(row, kept, list(stages)))
                columns = {name: value for name, value in row.items() if value not in (None, "") and name != "id"}
                steps.append(Step(found.stage, folder, kept, columns, notes))
        if "phases" in found.settings and steps and steps[-1].kept:
            notes = tuple(_mixed(found.settings, steps[-1].columns))
            taken = any(note.startswith(_TAKEN) for note in notes)
            steps.append(Step(found.stage, folder, taken, {}, notes or ("no mixture reads its source",)))
        repeats += [{**row, "stage": found.stage} for row in rows_where(folder, "kept", [whole], part=REMOVED)]
    repeats = [{name: row.get(name) for name in ("id", "reason", "source", "path", "stage")} for row in repeats]
    return Trace(whole, text, tuple(steps), tuple(sorted(repeats, key=str)))


def _whole(identity: str, stages: list[Path]) -> str:
    """The whole id that begins with what the user typed."""
    found = {one for folder in stages for one in ids_that_begin(folder, identity)}
    if identity in found:
        return identity
    if len(identity) < _SHORTEST:
        raise UserError(f"{identity!r} is too short for an id; give its first {_SHORTEST} characters at least")
    if not found:
        places = ", ".join(folder.name for folder in stages) or "no corpus"
        raise UserError(f"no document of {places} has the id {identity}; ids are in the column id of its parquet files")
    if len(found) > 1:
        some = ", ".join(sorted(found)[:3])
        raise UserError(f"{len(found)} documents have ids that begin with {identity}: {some}, ...; give more of it")
    return found.pop()


def _grade(folder: Path, identity: str) -> Iterator[str]:
    """What the teacher said, where it was asked."""
    if (folder / _GRADES).is_file():
        for row in _rows_of(folder / _GRADES, identity):
            yield f"the teacher gave {row['score']}: {row['reason']} ({row['split']})"


def _rows_of(file: Path, identity: str) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = pq.read_table(file, filters=[("id", "=", identity)]).to_pylist()
    return rows


def _why(row: Mapping[str, Any], kept: bool, stages: list[Path]) -> Iterator[str]:
    """What a dropped document was a copy of, or which problem it leaks."""
    other = row.get("kept")
    if kept or not other:
        return
    for folder in reversed(stages):
        for found in rows_where(folder, "id", [other]):
            yield f"kept instead: {other}, {found['source']} {found.get('path') or ''}".rstrip()
            return
    yield f"it holds the problem {other}"


def _wanted(part: Mapping[str, Any]) -> str:
    """The scores and languages that an ingredient of a mixture takes."""
    words = f"scores from {part.get('minimum_score', 0)}"
    words += " on" if part.get("maximum_score") is None else f" to {part['maximum_score']}"
    return words + (f" in {', '.join(part['languages'])}" if part.get("languages") else "")


def _mixed(settings: Mapping[str, Any], row: Mapping[str, Any]) -> Iterator[str]:
    """For each part of the training's mixtures that reads the document's source, whether its score is enough."""
    score = row.get("score")
    for phase, described in sorted(settings.get("phases", {}).items()):
        for part in described.get("mixture", ()):
            if row["source"] in part.get("sources", ()):
                least, share = part.get("minimum_score", 0), f"{part.get('share', 0):.0%} of {phase}"
                if not Component.model_validate(part).takes(row["source"], score, row.get("language")):
                    yield f"not in the mixture for {share}: that takes {_wanted(part)}"
                elif score is None:
                    yield f"{_TAKEN} for {share}: it was never graded"
                else:
                    yield f"{_TAKEN} for {share}: the score {score} is at least {least}"
