"""Work that fills a folder: done once, whole or absent, and gone on with where it was interrupted.

The one rule for recipes and for single commands: the folder has a manifest whose key and code are the work's, and every
file that the manifest lists. Until then it lies beside its place under a hidden name, with `scratch/` in it for what
only the work itself needs. What has neither a manifest nor the mark in `scratch/` is not ours, and is never touched.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hornbook import machine
from hornbook.errors import UnfinishedError, UserError
from hornbook.files import digest_value, is_leftover, read_json, remove_folder, sweep, sweep_beside, write_json
from hornbook.runs import manifest
from hornbook.runs.manifest import SCRATCH, Manifest
from hornbook.runs.stage import Checkpoint
from hornbook.workers.work import workers_memory

KEY = "key.json"  # in scratch/: which job is at work, since when
_SLIGHT = 10  # seconds of work that nobody misses, where a mistake ended it: with it mended the job is another one


@dataclass(frozen=True)
class Job:
    """All that decides what is in a folder. inputs: the contents of what is read, by name (`Manifest.content`).

    `beside` are the settings that change how the work is done and not what comes of it: they are told, no more.
    """

    stage: str
    settings: dict[str, Any]
    inputs: Mapping[str, str]
    code: str
    outside: Any = None
    beside: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """One hash of everything but the code."""
        return digest_value(
            {"stage": self.stage, "settings": self.settings, "inputs": dict(self.inputs), "outside": self.outside}
        )


def done(folder: Path, job: Job) -> Manifest | None:
    """The manifest, if `folder` holds what this job writes: every file, in its size."""
    found = _made(folder, job)
    return found if found is not None and found.code == job.code else None


def outdated(folder: Path, job: Job) -> Manifest | None:
    """The manifest, if `folder` holds what this job wrote when its code was another."""
    found = _made(folder, job)
    return found if found is not None and found.code != job.code else None


def _made(folder: Path, job: Job) -> Manifest | None:
    found = manifest.read(folder)
    same = found is not None and found.key == job.key and not manifest.missing(folder, found)
    return found if same else None


def elsewhere(job: Job, places: Iterable[Path]) -> Path | None:
    """The first of these folders that holds what this job writes, to the last bit."""
    for place in places:
        found = done(place, job)
        if found is not None and not manifest.damage(place, found):
            return place
    return None


@dataclass(frozen=True)
class Begun:
    """A job that was begun and is not finished. seconds: how long was worked on it, by the files it left."""

    stage: str
    key: str
    code: str
    settings: dict[str, Any]
    seconds: float

    def is_of(self, job: Job) -> bool | None:
        """Whether it is this very job; None where it is, but for its code."""
        return self.key == job.key and (self.code == job.code or None)


def begun(folder: Path) -> Begun | None:
    """What was begun to become `folder`; None where nothing was."""
    partial = partial_of(folder)
    try:
        mark = read_json(partial / SCRATCH / KEY)
        last = max(path.lstat().st_mtime for path in partial.rglob("*"))
        seconds = mark["seconds"] + max(0.0, last - mark["started"])
        return Begun(mark["stage"], mark["key"], mark["code"], mark["settings"], seconds)
    except (UserError, OSError, KeyError, TypeError, ValueError):
        return None


def ours(folder: Path) -> None:
    """Raise UserError where something that is not Hornbook's lies in the place of `folder`."""
    if folder.is_symlink() or (folder.exists() and not manifest.carries(folder)):
        raise UserError(
            f"{folder} is not Hornbook's: no manifest.json of its own lies in it; move it away or name another place"
        )
    partial = partial_of(folder)
    if partial.is_symlink() or not _ours_in_part(partial):
        raise UserError(f"{partial} is not Hornbook's: move it away")


def replaceable(folder: Path) -> None:
    """Raise UserError where something that is not Hornbook's lies in the place of `folder`, or in the folder itself."""
    ours(folder)
    found = manifest.read(folder)
    listed = found.outputs if found is not None else manifest.files(folder)  # an older manifest's are not known
    for name, path in manifest.files(folder).items():
        if name not in listed:
            raise UserError(f"{path} is not Hornbook's, and {folder.name} is to be made again; move it away")


def is_begun(partial: Path) -> bool:
    """Whether a folder is one in which work was begun: it has the work's mark, or a manifest already."""
    try:
        mark = read_json(partial / SCRATCH / KEY)
        return isinstance(mark, dict) and {"stage", "key", "code", "seconds"} <= mark.keys()
    except UserError:
        return manifest.carries(partial)


def _ours_in_part(partial: Path) -> bool:
    """Whether there is nothing, or what `_work` left, be it killed before it had left its mark."""
    if not partial.exists() or is_begun(partial):
        return True
    return partial.is_dir() and all(path.is_dir() or is_leftover(path) for path in partial.rglob("*"))


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
    when its code was another. Raises UserError where something lies in the way that is not Hornbook's.
    """
    replaceable(folder)
    partial = partial_of(folder)
    finished = done(partial, job)
    if finished is None:
        before = begun(folder)
        same = before.is_of(job) if before is not None else False
        if before is None or same is False or (same is None and not keep_outdated):
            remove_folder(partial)
            before = None
        finished = _work(partial, job, work, headline, checkpoints, before.seconds if before else 0.0)
    _put(folder)
    return finished


def take(folder: Path, source: Path, found: Manifest) -> None:
    """Make `folder` equal to `source`, another whole one: its files are linked where the disk can, copied elsewhere."""
    replaceable(folder)
    partial = partial_of(folder)
    remove_folder(partial)
    for name in (*found.outputs, *manifest.beside(source)):
        (partial / name).parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source / name, partial / name)
        except OSError:
            shutil.copyfile(source / name, partial / name)
    found.write(partial)
    _put(folder)


def _put(folder: Path) -> None:
    """A partial folder that is whole takes its place."""
    partial = partial_of(folder)
    remove_folder(partial / SCRATCH)
    sweep(partial)
    replaceable(folder)
    remove_folder(folder)
    partial.rename(folder)
    sweep_beside(folder)
    sweep_beside(partial)


def partial_of(folder: Path) -> Path:
    """Where a folder is made until it is whole."""
    return folder.with_name(f".{folder.name}.partial")


def place_of(partial: Path) -> Path:
    """The folder that a partial one is to be; any other is itself."""
    name = partial.name
    found = partial.with_name(name.removeprefix(".").removesuffix(".partial"))
    return found if partial_of(found) == partial else partial


def _can_go_on(partial: Path) -> bool:
    """Whether there is anything that the same job could go on from: a state, a portion, what was made in part."""
    return any(path.name != KEY and not is_leftover(path) for path in (partial / SCRATCH).iterdir())


def clear(folder: Path) -> None:
    """Make way for a job that is to start from nothing."""
    replaceable(folder)
    remove_folder(partial_of(folder))
    remove_folder(folder)


def _work(
    partial: Path,
    job: Job,
    work: Callable[[Path], dict[str, Any]],
    headline: Callable[[dict[str, Any]], str],
    checkpoints: Sequence[Checkpoint],
    seconds: float,
) -> Manifest:
    """Do the work in its partial folder, where `seconds` were worked before, and write the manifest.

    Its peak memory is that of this process and of the workers it started, as if both came at the same time.
    """
    mark = {"stage": job.stage, "key": job.key, "code": job.code, "settings": job.settings}
    write_json(partial / SCRATCH / KEY, {**mark, "seconds": round(seconds, 2), "started": time.time()})
    machine.release_memory()
    machine.reset_peak_memory()
    workers_memory()
    began = time.monotonic()
    try:
        figures = work(partial)
    except UnfinishedError:
        raise
    except UserError:
        slight = seconds + time.monotonic() - began < _SLIGHT
        if slight or not _can_go_on(partial):
            remove_folder(partial)
        raise
    sweep(partial)
    made = Manifest(
        stage=job.stage,
        key=job.key,
        settings={**job.settings, **job.beside},
        inputs=dict(job.inputs),
        code=job.code,
        figures=figures,
        seconds=round(seconds + time.monotonic() - began, 2),
        peak_memory=machine.peak_memory() + workers_memory(),
        outputs=manifest.outputs(partial),
        machine=dict(machine.describe()),
        versions=manifest.versions(),
        headline=headline(figures),
        checkpoints=[asdict(checkpoint) for checkpoint in checkpoints],
        sizes={name: path.stat().st_size for name, path in manifest.files(partial).items()},
    )
    made.write(partial)
    return made
