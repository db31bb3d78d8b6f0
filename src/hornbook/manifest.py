"""A stage's manifest: what it was, what it read, what it wrote, and what it cost."""

from __future__ import annotations

import importlib.metadata
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import hornbook
from hornbook import machine
from hornbook.errors import UserError
from hornbook.files import digest_file, digest_value, read_json, remove_folder, write_json, write_text
from hornbook.workers.work import workers_memory

FILE = "manifest.json"
SCRATCH = "scratch"  # what a stage needs only until it is whole: its key, the state it resumes from
LIBRARIES = ("torch", "numpy", "daft", "pyarrow", "tokenizers", "scikit-learn", "safetensors")


@dataclass(frozen=True)
class Manifest:
    """`key` decides whether a stage is done: it covers the stage's settings, inputs and code."""

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


def go_on(folder: Path, key: str) -> None:
    """Make `folder` ready for work of this key: what the very same work left there when it was interrupted stays.

    Whoever finishes the work deletes the scratch folder in it.
    """
    mark = folder / SCRATCH / "key"
    if folder.exists() and not (mark.is_file() and mark.read_text() == key):
        remove_folder(folder)
    write_text(mark, key)


def finished(folder: Path, key: str) -> Manifest | None:
    """The manifest, if `folder` holds exactly what work of this key writes."""
    found = read(folder)
    return found if found is not None and found.key == key and complete(folder, found) else None


def measured(
    folder: Path,
    work: Callable[[], dict[str, Any]],
    *,
    stage: str,
    key: str,
    settings: dict[str, Any],
    inputs: Mapping[str, str],
    code: tuple[str, ...],
) -> Manifest:
    """Run `work`, which fills `folder` and returns its figures; write and return the manifest of both.

    Its peak memory is that of this process and of the workers it started, as if both came at the same time.
    """
    machine.reset_peak_memory()
    workers_memory()
    began = time.monotonic()
    figures = work()
    made = Manifest(
        stage=stage,
        key=key,
        settings=settings,
        inputs=dict(inputs),
        code=code_digest(code),
        figures=figures,
        seconds=round(time.monotonic() - began, 2),
        peak_memory=machine.peak_memory() + workers_memory(),
        outputs=outputs(folder),
        machine=dict(machine.describe()),
        versions=versions(),
    )
    made.write(folder)
    return made


def code_digest(rooms: tuple[str, ...]) -> str:
    """One hash of the source of these rooms (folders or modules of the package), data files included."""
    root = Path(hornbook.__file__).parent
    files: list[Path] = []
    for room in rooms:
        if (root / room).is_dir():
            files += sorted(
                path for path in (root / room).rglob("*") if path.suffix in (".py", ".toml", ".txt", ".html", ".css")
            )
        else:
            files.append(root / f"{room}.py")
    return digest_value({path.relative_to(root).as_posix(): digest_file(path) for path in files})


def versions() -> dict[str, str]:
    """Python, Hornbook and the libraries whose version can change a result."""
    found = {"python": platform.python_version(), "hornbook": hornbook.__version__}
    for library in LIBRARIES:
        found[library] = importlib.metadata.version(library)
    return found
