"""Whether two runs are the same: every weight bit by bit, and every figure that is no time and no memory.

python benchmarks/compare_runs.py A B [--renamed docs/renamed.toml]

A and B are run folders; A may be one of an earlier version, whose names the map of renamed ones brings up to date.
Prints what differs and ends with exit code 1, or says how much was compared.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from hornbook.errors import UserError
from hornbook.files import read_toml
from hornbook.report.figures import without_nan
from hornbook.report.run import Run
from hornbook.report.sections.losses import curves

SHOWN = 3  # differences of one file of weights, or of one figure that is a list, which are printed; all with --all
ASIDE = ("stages.report.bytes",)  # the page's length follows its wording


@dataclass(frozen=True)
class Renamed:
    """Old names and their new ones. figures: by dotted key; "" for one that is gone. added: those that A cannot have.

    tensors: by the name of a .safetensors file.
    """

    figures: Mapping[str, str] = field(default_factory=dict)
    added: frozenset[str] = frozenset()
    tensors: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Renamed:
        """From a file such as docs/renamed.toml. Raises UserError where it is damaged."""
        values = read_toml(path)
        added = values.get("added", {}).get("figures", [])
        return cls(values.get("figures", {}), frozenset(added), values.get("tensors", {}))

    def figure(self, key: str) -> str:
        """A figure's key as it is now; "" where there is none any more."""
        for old, new in self.figures.items():
            if key == old or key.startswith((f"{old}.", f"{old}[")):
                return new + key.removeprefix(old) if new else ""
        return key

    def tensor(self, file: str, name: str) -> str:
        """A tensor's name as it is now."""
        return self.tensors.get(file, {}).get(name, name)

    def is_new(self, key: str) -> bool:
        """Whether A cannot have this figure."""
        return any(key == one or key.startswith((f"{one}.", f"{one}[")) for one in self.added)


@dataclass
class Comparison:
    """How much was compared, and each difference in a line."""

    tensors: int = 0
    figures: int = 0
    differences: list[str] = field(default_factory=list)


def compare(a: Path, b: Path, renamed: Renamed = Renamed()) -> Comparison:
    """Compare two run folders. Raises UserError for a folder that is no run."""
    runs = [Run.at(folder) for folder in (a, b)]
    for folder, run in zip((a, b), runs, strict=True):
        if not run.manifests:
            raise UserError(f"{folder} is no run: no stage of it is finished")
    found = Comparison()
    if list(runs[0].manifests) != list(runs[1].manifests):
        told = " against ".join(", ".join(run.manifests) for run in runs)
        found.differences.append(f"stages: {told}")
    _figures(figures_of(runs[0]), figures_of(runs[1]), renamed, found)
    for stage in runs[0].folders.keys() & runs[1].folders.keys():
        _weights(stage, runs[0].folders[stage], runs[1].folders[stage], renamed, found)
    found.differences.sort()
    return found


def figures_of(run: Run) -> dict[str, Any]:
    """Every figure of every stage with its loss curves, by dotted key: what `hornbook report --json` is made of."""
    stages = {
        stage: {**one.figures, **({"curves": points} if (points := curves(run, stage)) else {})}
        for stage, one in run.manifests.items()
    }
    return {key: value for key, value in flat(without_nan({"stages": stages})) if not _aside(key)}


def flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """The single values in JSON, each with its path: `a.b[0].c`. Empty tables and lists count as values."""
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from flat(item, f"{key}.{name}" if key else name)
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from flat(item, f"{key}[{index}]")
    else:
        yield key, value


def _aside(key: str) -> bool:
    last = key.rpartition(".")[2]
    return "seconds" in last or last == "peak_memory" or key in ASIDE


def _figures(a: Mapping[str, Any], b: Mapping[str, Any], renamed: Renamed, found: Comparison) -> None:
    before = {name: value for key, value in a.items() if (name := renamed.figure(key))}
    after = {key: value for key, value in b.items() if key in before or not renamed.is_new(key)}
    for key in sorted(before.keys() | after.keys()):
        found.figures += 1
        if key not in after or key not in before:
            found.differences.append(f"{key}: only {'before' if key in before else 'after'}")
        elif before[key] != after[key]:
            found.differences.append(f"{key}: {_short(before[key])} -> {_short(after[key])}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _weights(stage: str, a: Path, b: Path, renamed: Renamed, found: Comparison) -> None:
    """Every tensor of every .safetensors file of a stage's two folders."""
    from safetensors import safe_open

    files = [{path.relative_to(folder).as_posix() for path in folder.rglob("*.safetensors")} for folder in (a, b)]
    found.differences += [f"{stage}/{name}: only {_side(name in files[0])}" for name in files[0] ^ files[1]]
    for name in sorted(files[0] & files[1]):
        with safe_open(a / name, "pt") as before, safe_open(b / name, "pt") as after:
            old = {renamed.tensor(Path(name).name, tensor): tensor for tensor in before.keys()}  # noqa: SIM118
            new = set(after.keys())
            found.differences += [
                f"{stage}/{name}: {tensor} only {_side(tensor in old)}" for tensor in sorted(old.keys() ^ new)
            ]
            for tensor in sorted(old.keys() & new):
                found.tensors += 1
                told = difference(before.get_tensor(old[tensor]), after.get_tensor(tensor))
                found.differences += [f"{stage}/{name}: {tensor}: {told}"] if told else []


def _side(before: bool) -> str:
    return "before" if before else "after"


def difference(a: Any, b: Any) -> str:
    """How two tensors differ, in words; empty where they are the same to the last bit."""
    import torch

    if (a.dtype, a.shape) != (b.dtype, b.shape):
        return f"{a.dtype} {tuple(a.shape)} -> {b.dtype} {tuple(b.shape)}"
    bits = [one.contiguous().flatten().view(torch.uint8) for one in (a, b)]
    if torch.equal(*bits):
        return ""
    gap = (a.double() - b.double()).abs()
    return f"{int((gap != 0).sum()):,} of {gap.numel():,} values, by {gap.max().item():.3g} at most"


def _place(difference: str) -> str:
    """The file or the figure that a line tells of, without the tensor or the number in a list."""
    return difference.partition(": ")[0].partition("[")[0]


def main(arguments: list[str] | None = None) -> int:
    """Compare, print; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a", type=Path, metavar="A")
    parser.add_argument("b", type=Path, metavar="B")
    parser.add_argument("--renamed", type=Path, help="a map of old and new names; A has the old ones")
    parser.add_argument("--all", action="store_true", help="print every difference")
    given = parser.parse_args(arguments)
    found = compare(given.a, given.b, Renamed.read(given.renamed) if given.renamed else Renamed())
    for place, lines in groupby(found.differences, _place):
        several = list(lines)
        shown = len(several) if given.all else SHOWN
        print(*several[:shown], sep="\n")
        if len(several) > shown:
            print(f"{place}: and {len(several) - shown} more")
    told = f"{len(found.differences)} differences" if found.differences else "no difference"
    print(f"{found.tensors:,} tensors and {found.figures:,} figures compared: {told}")
    return 1 if found.differences else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f"error: {error}")
