"""Grades that people gave: a column of the corpus, or a table of ids (or texts) and scores."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hornbook.corpus.grade.ordinal import GRADES
from hornbook.corpus.read.kinds import Found
from hornbook.corpus.read.records import HELD, has_records, records
from hornbook.documents import Row, document_id, read_rows, shards
from hornbook.errors import UserError
from hornbook.files import expanded
from hornbook.records import Fault
from hornbook.teacher.interface import Grade

MOST = 100_000  # labels that are learned from; of more, so many are drawn


@dataclass(frozen=True)
class Labels:
    """scores: whole grades from 0 to 5 by a document's id. unusable: how many labels were none; faults: the first."""

    name: str
    scores: Mapping[str, int]
    unusable: int = 0
    faults: tuple[str, ...] = ()

    def grade(self, rows: Sequence[Row]) -> list[Grade | None]:
        """The grade of each document, in order; None for one without a label."""
        found = [self.scores.get(row["id"], self.scores.get(row.get("original") or "")) for row in rows]
        return [None if score is None else Grade(score, "a label") for score in found]


def labels(corpus: Path, given: str, base: Path) -> Labels:
    """The labels of `given`: a table (a file; relative paths start from `base`), or else a column of `corpus`.

    A table has `score` (or `label`, `grade`) beside `id`, a document's, or `text`, from which the id follows. Labels
    are numbers from 0 to 5, rounded; true and false count as 1 and 0. Where a document has several, the last one holds.
    Raises UserError where there are none.
    """
    place = base / expanded(given)
    if place.is_file():
        name, rows = f"labels of {place.name}", _table(place)
    else:
        columns = _columns(corpus)
        if given not in columns:
            raise UserError(
                f"labels: {given} is no file, and no column of {corpus}, which has {', '.join(sorted(columns))}"
            )
        name, rows = f"labels in the column {given}", _column(corpus, given)
    scores: dict[str, int] = {}
    faults: list[str] = []
    unusable = 0
    for where, identity, value in rows:
        score = _score(value)
        if score is None or not identity:
            unusable += 1
            if len(faults) < 3:
                faults.append(f"{where}: {'no id' if score is not None else f'{value!r:.60} is no grade from 0 to 5'}")
        else:
            scores[identity] = score
    if not scores:
        raise UserError(f"{name}: there is no usable label: {'; '.join(faults) or 'it is empty'}")
    return Labels(name, scores, unusable, tuple(faults))


def _score(value: Any) -> int | None:
    """A label as a whole grade, None where it is none."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return {"true": 1, "false": 0}.get(value.strip().lower())
    if not isinstance(value, int | float) or not math.isfinite(value) or not 0 <= value <= GRADES - 1:
        return None
    return math.floor(value + 0.5)


# --- Where labels stand: (place for people, id, value)


def _columns(corpus: Path) -> set[str]:
    import pyarrow.parquet as pq

    return {name for shard in shards(corpus) for name in pq.read_schema(shard.path).names}


def _column(corpus: Path, name: str) -> Iterator[tuple[str, str, Any]]:
    """A document without a label is not a fault: only some are labelled."""
    for row in read_rows(corpus, ["id", name]):
        if row.get(name) is not None:
            yield row["id"], row["id"], row[name]


def _table(path: Path) -> Iterator[tuple[str, str, Any]]:
    found = Found(path, path.name)
    if not has_records(found):
        raise UserError(f"labels: {path} is no table of a kind that is read: {', '.join(HELD)}")
    for number, one in enumerate(records(found), start=1):
        if isinstance(one, Fault):
            if one.number is None:
                raise UserError(f"labels: {path} can't be read: {one.detail}")
            yield f"record {one.number}", "", None
            continue
        row = one.value
        if number == 1:
            _named(path, row)
        value = next((row[name] for name in ("score", "label", "grade") if row.get(name) is not None), None)
        identity = str(row.get("id") or "") or (document_id(str(row["text"])) if row.get("text") else "")
        yield f"record {number}", identity, value


def _named(path: Path, names: Collection[str]) -> None:
    """Raise UserError where a table lacks the columns that labels need."""
    if not {"id", "text"} & set(names) or not {"score", "label", "grade"} & set(names):
        there = ", ".join(sorted(map(str, names))) or "none"
        raise UserError(f"labels: {path} needs the columns id (or text) and score; it has {there}")
