"""Work that fills a folder: done once, whole or absent, and gone on with where it was interrupted.

The one rule for recipes and for single commands: the folder has a manifest whose key and code are the work's, and every
file that the manifest lists. Until then it lies beside its place under a hidden name, with `scratch/` in it for what
only the work itself needs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hornbook import machine
from hornbook.errors import UserError
from hornbook.files import digest_value, remove_folder, sweep, write_text
from hornbook.runs import manifest
from hornbook.runs.manifest import SCRATCH, Manifest
from hornbook.runs.stage import Checkpoint
from hornbook.workers.work import workers_memory


@dataclass(frozen=True)
class Job:
    """All that decides what is in a folder. inputs: the contents of what is read, by name (`Manifest.content`)."""

    stage: str
    settings: dict[str, Any]
    inputs: Mapping[str, str]
    code: str
    outside: Any = None

    @property
    def key(self) -> str:
        """One hash of everything but the code."""
        return digest_value(
            {"stage": self.stage, "settings": self.settings, "inputs": dict(self.inputs), "outside": self.outside}
        )


def done(folder: Path, job: Job) -> Manifest | None:
    """The manifest, if `folder` holds exactly what this job writes."""
    found = _made(folder, job)
    return found if found is not None and found.code == job.code else None


def outdated(folder: Path, job: Job) -> Manifest | None:
    """The manifest, if `folder` holds what this job wrote when its code was another."""
    found = _made(folder, job)
    return found if found is not None and found.code != job.code else None


def _made(folder: Path, job: Job) -> Manifest | None:
    found = manifest.read(folder)
    return found if found is not None and found.key == job.key and manifest.complete(folder, found) else None


def begun(folder: Path, job: Job) -> bool | None:
    """Whether this very job was begun and interrupted; None where it was, when its code was another."""
    mark = partial_of(folder) / SCRATCH / "key"
    key, _, code = mark.read_text().partition(" ") if mark.is_file() else ("", "", "")
    return key == job.key and (code == job.code or None)


def make(
    folder: Path,
    job: Job,
    work: Callable[[Path], dict[str, Any]],
    *,
    headline: Callable[[dict[str, Any]], str] = lambda figures: "",
    checkpoints: Sequence[Checkpoint] = (),
    keep_outdated: bool = False,
) -> Manifest:
    """Have `work` fill a folder and return its figures; the folder takes its place, and what lay there goes.

    What the very same job left when it was interrupted is there for it again; with `keep_outdated` also what it left
    when its code was another.
    """
    partial = partial_of(folder)
    finished = done(partial, job)
    if finished is None:
        before = begun(folder, job)
        if before is False or (before is None and not keep_outdated):
            remove_folder(partial)
        finished = _work(partial, job, work, headline, checkpoints)
    remove_folder(partial / SCRATCH)
    sweep(partial)
    remove_folder(folder)
    partial.rename(folder)
    return finished


def partial_of(folder: Path) -> Path:
    """Where a folder is made until it is whole."""
    return folder.with_name(f".{folder.name}.partial")


def clear(folder: Path) -> None:
    """Make way for a job that is to start from nothing."""
    remove_folder(partial_of(folder))
    remove_folder(folder)


def _work(
    partial: Path,
    job: Job,
    work: Callable[[Path], dict[str, Any]],
    headline: Callable[[dict[str, Any]], str],
    checkpoints: Sequence[Checkpoint],
) -> Manifest:
    """Do the work in its partial folder and write the manifest.

    Its peak memory is that of this process and of the workers it started, as if both came at the same time.
    """
    write_text(partial / SCRATCH / "key", f"{job.key} {job.code}")
    machine.release_memory()
    machine.reset_peak_memory()
    workers_memory()
    began = time.monotonic()
    try:
        figures = work(partial)
    except UserError:
        if not any((partial / SCRATCH).glob("*/")):  # nothing that the same job could go on from
            remove_folder(partial)
        raise
    sweep(partial)
    made = Manifest(
        stage=job.stage,
        key=job.key,
        settings=job.settings,
        inputs=dict(job.inputs),
        code=job.code,
        figures=figures,
        seconds=round(time.monotonic() - began, 2),
        peak_memory=machine.peak_memory() + workers_memory(),
        outputs=manifest.outputs(partial),
        machine=dict(machine.describe()),
        versions=manifest.versions(),
        headline=headline(figures),
        checkpoints=[asdict(checkpoint) for checkpoint in checkpoints],
    )
    made.write(partial)
    return made
