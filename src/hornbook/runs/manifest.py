"""A stage's manifest: what it was, what it read, what it wrote, and what it cost."""

from __future__ import annotations

import importlib.metadata
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import hornbook
from hornbook.errors import UserError
from hornbook.files import digest_file, digest_value, is_leftover, read_json, write_json

FILE = "manifest.json"
SCRATCH = "scratch"  # what a stage needs only until it is whole: its key, the state it resumes from
FIGURES = "training/figures.jsonl"  # tells of times: two runs with equal results differ in it
SAMPLES = "training/samples.json"  # drawn when the rest is whole, as is the card; either may be drawn again
CARD = "card.html"
BESIDE = (FIGURES, SAMPLES, CARD)  # what goes along with a stage's folder, and no hash covers
LIBRARIES = ("torch", "numpy", "daft", "pyarrow", "tokenizers", "scikit-learn", "safetensors")


@dataclass(frozen=True)
class Manifest:
    """What a stage tells of itself, for later stages, the report and whoever opens the folder.

    `key` covers the stage's settings and inputs, `code` the source it ran: together they decide whether it is done.
    `outputs` has the hash and `sizes` the bytes of every file that it wrote. `checkpoints`: the models it left, each
    with its name, folder, title and whether it is shrunk.
    """

    stage: str
    key: str
    settings: dict[str, Any]
    inputs: dict[str, str]
    code: str
    figures: dict[str, Any]
    seconds: float
    peak_memory: int
    outputs: dict[str, str]
    machine: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    headline: str = ""
    checkpoints: list[dict[str, Any]] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)

    @property
    def content(self) -> str:
        """One hash of everything the stage wrote."""
        return digest_value(self.outputs)

    def content_of(self, part: str) -> str:
        """The hash of one file or folder of it; of everything, where `part` is empty or was not written."""
        inside = self._inside(part)
        return self.outputs.get(part) or (digest_value(inside) if inside else self.content)

    @property
    def contents(self) -> frozenset[str]:
        """Every hash by which it may have been read: of all that it holds, and of each file and folder in it."""
        folders = {parent.as_posix() for name in self.outputs for parent in PurePosixPath(name).parents[:-1]}
        return frozenset({self.content, *self.outputs.values(), *map(self.content_of, folders)})

    def _inside(self, folder: str) -> dict[str, str]:
        start = f"{folder}/"
        return {name.removeprefix(start): digest for name, digest in self.outputs.items() if name.startswith(start)}

    def write(self, folder: Path) -> None:
        """Store as `manifest.json`."""
        write_json(folder / FILE, asdict(self))


def read(folder: Path) -> Manifest | None:
    """The manifest of a finished stage, or None where there is none or an older version wrote it."""
    if not (folder / FILE).is_file():
        return None
    try:
        return Manifest(**read_json(folder / FILE))
    except (TypeError, UserError):
        return None


def carries(folder: Path) -> bool:
    """Whether a folder holds a manifest, be it of another version of Hornbook: without one nothing says it is ours."""
    try:
        found = read_json(folder / FILE)
    except UserError:
        return False
    return isinstance(found, dict) and all(
        isinstance(found.get(name), kind) for name, kind in (("stage", str), ("key", str), ("outputs", dict))
    )


def files(folder: Path) -> dict[str, Path]:
    """Every file of a stage folder, by relative path, but for the manifest itself, what goes along `BESIDE` it,
    and scratch files. What a killed process left is none.
    """
    there = (path for path in folder.rglob("*") if path.is_file() and not is_leftover(path))
    found = {path.relative_to(folder).as_posix(): path for path in there}
    return {
        name: found[name]
        for name in sorted(found)
        if name not in (FILE, *BESIDE) and not name.startswith(f"{SCRATCH}/")
    }


def beside(folder: Path) -> list[str]:
    """The files of a stage folder that no hash covers, by relative path."""
    return [name for name in BESIDE if (folder / name).is_file()]


def outputs(folder: Path) -> dict[str, str]:
    """SHA-256 of every one of a stage folder's `files`, by relative path."""
    return {name: digest_file(path) for name, path in files(folder).items()}


def missing(folder: Path, manifest: Manifest) -> list[str]:
    """What is wrong with the files that a manifest lists, as far as their names and sizes tell."""
    found = []
    for name in manifest.outputs:
        try:
            size = (folder / name).stat().st_size
        except OSError:
            found.append(f"{name} is gone")
            continue
        if size != manifest.sizes.get(name, size):
            found.append(f"{name} has {size:,} bytes in place of {manifest.sizes[name]:,}")
    return found


def damage(folder: Path, manifest: Manifest) -> list[str]:
    """What is wrong with the files that a manifest lists, to the last bit: all of them are read."""
    found = missing(folder, manifest)
    if found:
        return found
    changed = (name for name, digest in manifest.outputs.items() if digest_file(folder / name) != digest)
    return [f"{name} has other contents than were written" for name in changed]


def versions() -> dict[str, str]:
    """Python, Hornbook and the libraries whose version can change a result."""
    found = {"python": platform.python_version(), "hornbook": hornbook.__version__}
    for library in LIBRARIES:
        found[library] = importlib.metadata.version(library)
    return found
