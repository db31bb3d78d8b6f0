"""Single documents out of a corpus folder, found without reading the others' text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from hornbook.documents import rows_where
from hornbook.report.run import Run


def by_id(run: Run, stage: str, ids: Iterable[str], columns: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The rows with these ids, those that are there; columns that a corpus does not have are left out."""
    wanted = set(ids)
    return {row["id"]: row for row in _rows(run, stage, "id", wanted, ["id", *columns])} if wanted else {}


def first_of_each(
    run: Run, stage: str, column: str, values: Sequence[str], columns: Sequence[str]
) -> list[dict[str, Any]]:
    """For each value of a column, its document with the smallest id."""
    found: dict[str, dict[str, Any]] = {}
    for row in _rows(run, stage, column, set(values), ["id", *columns]):
        if row[column] not in found or row["id"] < found[row[column]]["id"]:
            found[row[column]] = row
    return [found[value] for value in values if value in found]


def _rows(run: Run, stage: str, column: str, values: set[str], columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Rows whose `column` holds one of `values`; none where the stage is missing."""
    if stage in run.folders:
        yield from rows_where(run.folders[stage], column, values, columns)
