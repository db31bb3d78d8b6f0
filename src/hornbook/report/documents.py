"""Single documents out of a corpus folder, found without reading the others' text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

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


def _rows(run: Run, stage: str, column: str, values: set[str], columns: Sequence[str]) -> Iterable[dict[str, Any]]:
    """Rows whose `column` holds one of `values`, shard by shard."""
    import pyarrow.parquet as pq

    for path in _shards(run, stage):
        names = pq.read_schema(path).names
        if column in names:
            kept = [name for name in dict.fromkeys(columns) if name in names]
            yield from pq.read_table(path, columns=kept, filters=[(column, "in", values)]).to_pylist()


def _shards(run: Run, stage: str) -> list[Path]:
    return sorted((run.folders[stage] / "documents").glob("*.parquet")) if stage in run.folders else []
