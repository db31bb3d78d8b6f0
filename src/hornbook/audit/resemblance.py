"""Scores of an examination on rows that the training corpus resembles, and on the others (phi-1, section 5).

Resemblance is looked for in two ways: by the rules of decontamination, runs of words and the shape of code
(`corpus.py`), and by vectors, the cosine to the nearest passage (`rephrasings/`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.audit.differences import apart, score
from hornbook.corpus.decontaminate.benchmarks import Benchmark as Items
from hornbook.corpus.decontaminate.benchmarks import of_rows
from hornbook.errors import UserError
from hornbook.evaluate.exam import ROWS
from hornbook.evaluate.exam import data as files
from hornbook.evaluate.exam.compare import results
from hornbook.evaluate.exam.compare import rows as result_rows
from hornbook.evaluate.exam.declaration import Benchmark, find
from hornbook.evaluate.exam.questions import taken
from hornbook.evaluate.exam.settings import ExamSettings
from hornbook.progress import Progress

if TYPE_CHECKING:
    from hornbook.audit.rephrasings.candidates import Embedder

COSINES = (0.8, 0.65, 0.5)


@dataclass(frozen=True)
class Asked:
    """A benchmark of the examination with the rows that are asked, fields by id, and the same as items to look for."""

    page: Benchmark
    rows: Mapping[str, Mapping[str, Any]]
    items: Items


@dataclass(frozen=True)
class Likeness:
    """How like a corpus the rows of a benchmark are: `found` by the rules, `short` ones that these can't look for, and
    the `cosine` of each row that shares anything with a passage.
    """

    found: frozenset[str]
    short: frozenset[str]
    cosine: Mapping[str, float]


def asked_rows(settings: ExamSettings) -> list[Asked]:
    """The benchmarks that settings name and whose data is there, with their rows. Raises UserError where none is."""
    data = files.folder_of(settings.data)
    missing: dict[str, str] = {}
    asked = []
    for page in (find(name, data) for name in settings.asked):
        found = files.locate(page.files, data)
        if found is None:
            missing[page.name] = files.missing(page, data)
        else:
            asked.append(_asked(page, dict(taken(page, files.read(found), settings.limit))))
    if not asked:
        raise UserError("; ".join(missing.values()) or "no benchmark is named; `hornbook evaluate --list` tells of all")
    return asked


def rows_of(result: Path, settings: ExamSettings) -> list[Asked]:
    """The rows that a result was asked, out of the data that it names. Raises UserError where that is another."""
    figures = results(result)["benchmarks"]
    data = files.folder_of(settings.data)
    asked = []
    for page in (find(name, data) for name in settings.asked):
        if page.name not in figures:
            raise UserError(f"{result} has no {page.name}; it asked {', '.join(figures)}")
        if not (result / ROWS / f"{page.name}.jsonl").is_file():
            raise UserError(f"{result} has no rows of {page.name}: {ROWS}/{page.name}.jsonl is missing; ask again")
        found = files.locate(page.files, data)
        if found is None:
            raise UserError(files.missing(page, data))
        there = files.read(found)
        if there.sha256 != figures[page.name]["sha256"]:
            raise UserError(f"{found.path} is not the file that {result} asked; give that one, or ask again")
        ids = {row["id"] for row in result_rows(result, page.name)}
        asked.append(_asked(page, {id_: fields for id_, fields in there.rows if id_ in ids}))
    return asked


def _asked(page: Benchmark, rows: Mapping[str, Mapping[str, Any]]) -> Asked:
    return Asked(page, rows, of_rows(page.name, rows.items()))


def likeness(
    corpus: Path, asked: Sequence[Asked], found: Mapping[str, Any], embedder: Embedder, progress: Progress
) -> dict[str, Likeness]:
    """By benchmark how like the corpus its rows are. found: what `audit_corpus` says of the same benchmarks."""
    from hornbook.audit.rephrasings.candidates import candidates

    items = [item for one in asked for item in one.items.items]
    pairs, _ = candidates(corpus, items, embedder, 1, progress)
    cosine: dict[str, dict[str, float]] = {one.page.name: {} for one in asked}
    for pair in (some[0] for some in pairs if some):
        cosine[pair.item.benchmark][pair.item.id] = pair.similarity
    return {
        row["name"]: Likeness(frozenset(row["found"]), frozenset(row["short_ids"]), cosine[row["name"]])
        for row in found["benchmarks"]
    }


def values(result: Path, page: Benchmark) -> dict[str, float]:
    """What each row scored by the benchmark's own metric; rows whose answer is unknown are not there."""
    rows = result_rows(result, page.name)
    return {row["id"]: row["metrics"][page.headline] for row in rows if page.headline in row.get("metrics", ())}


def split(scored: Mapping[str, float], asked: Asked, near: Likeness) -> list[dict[str, Any]]:
    """Scores of the rows that resemble the corpus and of the others, by the rules and by each cosine.

    Rows that can't be looked for (too short for the rules, or without a question) are on no side, and counted.
    """
    items = {item.id for item in asked.items.items}
    known = [id_ for id_ in scored if id_ in items and (id_ not in near.short or id_ in near.found)]
    sides: list[tuple[str, float | None, list[str], frozenset[str]]] = [("n-gram", None, known, near.found)]
    for cosine in COSINES:
        like = frozenset(id_ for id_, value in near.cosine.items() if value >= cosine)
        sides.append(("embedding", cosine, [id_ for id_ in scored if id_ in items], like))
    rows = []
    for by, degree, ids, like in sides:
        similar, other = ([scored[id_] for id_ in ids if (id_ in like) == side] for side in (True, False))
        rows.append(
            {
                "by": by,
                "degree": degree,
                "similar": score(similar),
                "other": score(other),
                "difference": apart(similar, other),
                "left_out": len(scored) - len(ids),
            }
        )
    return rows
