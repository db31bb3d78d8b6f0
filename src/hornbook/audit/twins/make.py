"""A benchmark of twins: rows and a page of its own, asked like any other."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hornbook.audit.twins import numbers, options, program
from hornbook.audit.twins.row import Fields, UntwinnableError
from hornbook.errors import UserError
from hornbook.evaluate.exam import data as files
from hornbook.evaluate.exam.declaration import Benchmark, Copy, TwinKind
from hornbook.files import write_jsonl, write_text
from hornbook.seeds import stream

_MAKERS: Mapping[TwinKind, Callable[..., Fields]] = {
    "numbers": numbers.twin,
    "options": options.twin,
    "program": program.twin,
}
NOTES: Mapping[TwinKind, str] = {
    "numbers": "other numbers, the answer computed anew",
    "options": "choices in another order",
    "program": "other names, the docstring in other words",
}


@dataclass(frozen=True)
class Twin:
    """A benchmark of twins. rows: fields by the original's id, in order. left_out: rows without a twin, by reason."""

    page: Benchmark
    rows: Mapping[str, Fields]
    left_out: Counter[str]

    @property
    def originals(self) -> dict[str, str]:
        """The original's id by the id that the examination gives a twin: its place in the file."""
        return {str(place): id_ for place, id_ in enumerate(self.rows, start=1)}


def make_twin(
    page: Benchmark,
    rows: Mapping[str, Mapping[str, Any]],
    data: Path | None,
    *,
    seed: int,
    allow_unisolated: bool = False,
) -> Twin | None:
    """The twin of a benchmark's rows, equal for equal seeds; None for a benchmark that has no twin.

    A row's twin depends on the seed and the row alone. Programs are run: only those whose own solution passes stay.
    """
    if page.twin is None:
        return None
    made: dict[str, Fields] = {}
    left_out: Counter[str] = Counter()
    for id_, fields in rows.items():
        try:
            changed = _MAKERS[page.twin](page, fields, stream(seed, "audit", "twin", page.name, id_))
        except UntwinnableError as error:
            left_out[str(error)] += 1
        else:
            made[id_] = {name: value for name, value in changed.items() if value is not None} | {"twin_of": id_}
    if page.twin == "program":
        failed = program.failing(page, made, allow_unisolated=allow_unisolated)
        left_out.update({"own solution does not pass the tests": len(failed)} if failed else {})
        made = {id_: fields for id_, fields in made.items() if id_ not in failed}
    return Twin(_page(page, data), made, left_out)


def _page(page: Benchmark, data: Path | None) -> Benchmark:
    """The page of the twin: the same questions, with the examples in it, so that it needs no other file."""
    assert page.twin is not None, "who has no twin has no page of it"
    name = f"{page.name}-twin"
    copy = Copy(file=f"{name}.jsonl", state="altered", note=NOTES[page.twin])
    shots = page.shots
    if shots.count and shots.files:
        found = files.locate(shots.files, data)
        if found is None:
            raise UserError(f"{page.name}: its examples, {files.names(shots.files)}, are not among the data")
        by: dict[str, list[Fields]] = defaultdict(list)
        for _, fields in files.read(found).rows:
            some = by[str(fields.get(shots.same, ""))]
            if len(some) < shots.count:
                some.append({key: value for key, value in fields.items() if value is not None})
        shots = shots.model_copy(update={"files": (), "rows": tuple(row for some in by.values() for row in some)})
    changes = {"name": name, "title": f"{page.title}, twin", "files": (copy,), "shots": shots, "rows": 0, "twin": None}
    return page.model_copy(update=changes)


def write_twin(twin: Twin, folder: Path) -> None:
    """Lay the page and the rows into a folder that `hornbook evaluate --data` can name."""
    import tomli_w

    write_jsonl(folder / f"{twin.page.name}.jsonl", twin.rows.values())
    values = twin.page.model_dump(mode="json", exclude_defaults=True, exclude={"name"})
    write_text(folder / f"{twin.page.name}.toml", tomli_w.dumps(values))
