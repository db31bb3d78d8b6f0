"""Two results of the same questions, row by row: what one has right and the other has not, and whether it is chance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import fmean
from typing import Any

from hornbook.errors import UserError
from hornbook.evaluate.benchmark import sign_test
from hornbook.evaluate.exam import RESULTS, ROWS
from hornbook.files import read_json, read_jsonl
from hornbook.seeds import derive

SEED = 1
_DRAWS = 10_000


@dataclass(frozen=True)
class Comparison:
    """One benchmark in two results, over the rows that both know.

    first, second: means of the metric. interval: of the difference, 95%, by paired bootstrap. gained, lost: rows where
    the second is better and worse. p: two-sided, of the exact sign test on these (McNemar 1947, exact form). flipped:
    rows of both, gained ones before lost ones.
    """

    name: str
    title: str
    metric: str
    rows: int
    first: float
    second: float
    interval: tuple[float, float]
    gained: int
    lost: int
    p: float
    flipped: tuple[tuple[Mapping[str, Any], Mapping[str, Any]], ...]

    @property
    def difference(self) -> float:
        """How much better the second is."""
        return self.second - self.first

    def figures(self) -> dict[str, Any]:
        """All of it as JSON; of the rows that flipped their numbers."""
        told = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "flipped"}
        return told | {"difference": self.difference, "flipped": [before["id"] for before, _ in self.flipped]}


def compare(first: Path, second: Path) -> list[Comparison]:
    """Every benchmark that two result folders share. Raises UserError where they share none, or asked differently."""
    one, other = (results(folder) for folder in (first, second))
    shared = [name for name in one["benchmarks"] if name in other["benchmarks"]]
    if not shared:
        raise UserError(f"{first} and {second} share no benchmark")
    found = [name for name in shared if _row_by_row(first, name, one["benchmarks"][name]["metric"])]
    if not found:
        raise UserError(f"{' and '.join(shared)}: rows have no score of their own to compare")
    return [
        paired(one["benchmarks"][name], name, list(rows(first, name)), list(rows(second, name)), (first, second))
        for name in found
    ]


def _row_by_row(folder: Path, name: str, metric: str) -> bool:
    """Whether rows have the metric; a benchmark without known rows is asked about like any other."""
    known = next((row for row in rows(folder, name) if "metrics" in row), None)
    return known is None or metric in known["metrics"]


def results(folder: Path) -> dict[str, Any]:
    """The figures of an examination. Raises UserError where the folder holds none."""
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}")
    found = read_json(folder / RESULTS) if (folder / RESULTS).is_file() else None
    if not isinstance(found, dict) or "exam" not in found:
        raise UserError(f"{folder} holds no examination; give the folder that `hornbook evaluate --into` named")
    return found


def rows(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    """A benchmark's rows in a result."""
    return read_jsonl(folder / ROWS / f"{name}.jsonl")


def paired(
    figures: Mapping[str, Any],
    name: str,
    before: Sequence[Mapping[str, Any]],
    after: Sequence[Mapping[str, Any]],
    folders: tuple[Path, Path],
) -> Comparison:
    """Compare rows of `id`, `prompt` and, where they are known, `metrics`; figures: their `title` and the `metric`."""
    first, second = folders
    earlier = {row["id"]: row for row in before if "metrics" in row}
    later = {row["id"]: row for row in after if "metrics" in row}
    both = [id_ for id_ in earlier if id_ in later]
    if not both:
        raise UserError(f"{name}: {first} and {second} have no row in common")
    if any(earlier[id_]["prompt"] != later[id_]["prompt"] for id_ in both):
        raise UserError(f"{name}: {first} and {second} asked different questions under one number; ask both again")
    metric = figures["metric"]
    pairs = [(earlier[id_]["metrics"][metric], later[id_]["metrics"][metric]) for id_ in both]
    gained, lost = (sum(sign * (b - a) > 0 for a, b in pairs) for sign in (1, -1))
    flipped = sorted(
        (id_ for id_, (a, b) in zip(both, pairs, strict=True) if a != b),
        key=lambda id_: earlier[id_]["metrics"][metric] > later[id_]["metrics"][metric],
    )
    return Comparison(
        name,
        figures["title"],
        metric,
        len(both),
        fmean(a for a, _ in pairs),
        fmean(b for _, b in pairs),
        bootstrap([b - a for a, b in pairs], derive(SEED, "compare", name)),
        gained,
        lost,
        sign_test(gained, lost),
        tuple((earlier[id_], later[id_]) for id_ in flipped),
    )


def bootstrap(differences: list[float], seed: int) -> tuple[float, float]:
    """The 95% interval of a mean of paired differences: of draws of the rows with replacement (Efron 1979)."""
    import numpy as np

    values = np.asarray(differences)
    draw = np.random.default_rng(seed)
    # Only counts matter where there are few different values, and those are drawn at once.
    kinds, counts = np.unique(values, return_counts=True)
    if len(kinds) <= 64:
        drawn = draw.multinomial(len(values), counts / len(values), size=_DRAWS) @ kinds / len(values)
    else:
        drawn = np.asarray([values[draw.integers(0, len(values), len(values))].mean() for _ in range(_DRAWS // 10)])
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)
