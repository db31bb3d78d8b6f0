"""A stage's manifest: what it was, what it read, what it wrote, and what it cost."""

from __future__ import annotations

import importlib.metadata
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import hornbook
from hornbook.errors import UserError
from hornbook.files import digest_file, digest_value, read_json, write_json

FILE = "manifest.json"
SCRATCH = "scratch"  # what a stage needs only until it is whole: its key, the state it resumes from
LIBRARIES = ("torch", "numpy", "daft", "pyarrow", "tokenizers", "scikit-learn", "safetensors")


@dataclass(frozen=True)
class Manifest:
    """What a stage tells of itself, for later stages, the report and whoever opens the folder.

    `key` covers the stage's settings and inputs, `code` the source it ran: together they decide whether it is done.
    `checkpoints`: the models it left, each with its name, folder, title and whether it is shrunk.
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

    @property
    def content(self) -> str:
        """One hash of everything the stage wrote: what later stages take as their input's name."""
        return digest_value(self.outputs)

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


def outputs(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a stage folder, by relative path; the manifest itself and scratch files are left out."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    kept = {name: path for name, path in files.items() if name != FILE and not name.startswith(f"{SCRATCH}/")}
    return {name: digest_file(kept[name]) for name in sorted(kept)}


def complete(folder: Path, manifest: Manifest) -> bool:
    """Whether every file that the manifest lists is still there."""
    return all((folder / name).is_file() for name in manifest.outputs)


def versions() -> dict[str, str]:
    """Python, Hornbook and the libraries whose version can change a result."""
    found = {"python": platform.python_version(), "hornbook": hornbook.__version__}
    for library in LIBRARIES:
        found[library] = importlib.metadata.version(library)
    return found
