"""One stage on folders, outside any recipe: a folder that is whole or absent, and never made twice.

The commands of stages and Python programs both come here; a recipe's stages are run by `run`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from hornbook.errors import UserError, nearest
from hornbook.files import alone, digest_value
from hornbook.progress import Progress
from hornbook.runs import manifest, store
from hornbook.runs.code import code_digest
from hornbook.runs.manifest import Manifest
from hornbook.runs.stage import Checkpoint, Stage, Work, key_of
from hornbook.runs.store import Job
from hornbook.settings import Settings, apply, assign, extend, validated

S = TypeVar("S", bound=Settings)

Place = Path | str
Places = Mapping[str, Place] | Sequence[Place]


@dataclass(frozen=True)
class Made:
    """A folder that was made, or that was there `before`."""

    folder: Path
    manifest: Manifest
    before: bool

    @property
    def figures(self) -> dict[str, Any]:
        """What the work measured."""
        return self.manifest.figures


def run_stage(
    stage: Stage[S],
    into: Place,
    settings: Settings | Mapping[str, Any] | None = None,
    *,
    force: bool = False,
    allow_unisolated: bool = False,
    progress: Progress | None = None,
    **inputs: Place | Places,
) -> Made:
    """Do a stage's work into the folder `into`, with a manifest; what lies there already, whole, is not made again.

    settings: the stage's, or some of them by the recipe's dotted keys, `{"heuristics.rules": ["gopher"]}`; those of the
    stage's own table may leave its name out. inputs: the folder of each input that the stage declares, by its name;
    several of an input that is `every`. force: replace what else lies at `into`. Relative paths start from here.
    Raises UserError where the settings or the inputs are wrong, and as `make` does.
    """
    chosen = settings if isinstance(settings, stage.settings) else settings_of(stage, _mapping(settings))
    if not stage.wanted(chosen):
        raise UserError(f"nothing to {stage.name} by: name settings of {', '.join(stage.settings.model_fields)}")
    folders, several = _inputs(stage, inputs)
    read = stage.reads(chosen, Path())
    contents = {name: content(folder) for name, folder in folders.items()}
    contents |= {f"{name}: {one}": content(folder) for name, some in several.items() for one, folder in some.items()}
    decides, outside = stage.told(chosen, Path()), stage.outside(chosen, Path())
    job = Job(stage.name, decides, contents, code_digest(stage.module), outside)

    def work(into: Path, progress: Progress) -> dict[str, Any]:
        return stage.run(Work(chosen, folders, into, progress, several, allow_unisolated=allow_unisolated))

    return make(
        Path(into),
        job,
        work,
        headline=stage.in_a_line,
        checkpoints=stage.left(chosen),
        reads=[*folders.values(), *(one for some in several.values() for one in some.values()), *read],
        force=force,
        progress=progress,
    )


def make(
    into: Path,
    job: Job,
    work: Callable[[Path, Progress], dict[str, Any]],
    *,
    headline: Callable[[dict[str, Any]], str] = lambda figures: "",
    checkpoints: Sequence[Checkpoint] = (),
    reads: Sequence[Path] = (),
    force: bool = False,
    progress: Progress | None = None,
) -> Made:
    """Have `work` fill a folder; what an interrupted call left is there for the next one.

    Raises UserError where something else lies there (unless `force`d), where the folder is one of those that the work
    `reads`, and where another process makes it.
    """
    _apart(into, reads)
    done = store.done(into, job)
    if done is not None:
        return Made(into, done, before=True)
    _free(into, job, force)
    shown = progress or Progress()
    lock = store.partial_of(into.absolute()).with_suffix(".lock")
    busy = f"another `hornbook {job.stage}` (process {{}}) makes {into}; wait for it or name another --into"
    with alone(lock, busy):
        try:
            made = store.make(
                into.absolute(),
                job,
                lambda folder: work(folder, shown),
                headline=headline,
                checkpoints=checkpoints,
            )
        except UserError:
            if not store.partial_of(into.absolute()).exists():
                lock.unlink()
            raise
        lock.unlink()
    return Made(into, made, before=False)


# --- Settings


def settings_of(
    stage: Stage[S], given: Mapping[str, Any], overrides: Sequence[str] = (), *, start: S | None = None
) -> S:
    """The stage's settings: those of `start`, changed by the overrides, KEY=VALUE, and then by what is `given` by
    dotted key. A list that is given goes on from the one that is there, so that neither loses the other's.

    Raises UserError with one line that names the wrong key and the nearest right one.
    """
    values: dict[str, Any] = {} if start is None else start.model_dump()
    for override in overrides:
        key, equals, text = override.partition("=")
        apply(values, f"{_in_fields(stage, key)}{equals}{text}")
    for key, value in given.items():
        (extend if isinstance(value, list | tuple) else assign)(values, _in_fields(stage, key), value)
    fields = stage.settings.model_fields
    missing = [key_of(stage.settings, name) for name in fields if fields[name].is_required() and name not in values]
    if missing:
        raise UserError(
            f"`hornbook {stage.name}` needs {', '.join(missing)}: name a recipe that sets them with --recipe, or set "
            f"{missing[0]}=..."
        )
    return validated(stage.settings, values, stage.name)


def _mapping(settings: Settings | Mapping[str, Any] | None) -> Mapping[str, Any]:
    return dict(settings) if settings is not None else {}


def _in_fields(stage: Stage[Any], key: str) -> str:
    """A recipe's dotted key, or one of the stage's own table, as a path through the stage's settings."""
    fields = stage.settings.model_fields
    first = key.split(".", maxsplit=1)[0]
    if first in fields:
        return key
    for name in fields:
        path = key_of(stage.settings, name)
        if key == path or key.startswith(f"{path}."):
            return f"{name}{key.removeprefix(path)}"
    if stage.name in fields:
        return f"{stage.name}.{key}"
    keys = [key_of(stage.settings, name) for name in fields]
    raise UserError(f"{key} is no setting of `hornbook {stage.name}`{nearest(key, keys)}; it has {', '.join(keys)}")


# --- Folders


def _inputs(
    stage: Stage[Any], given: Mapping[str, Place | Places]
) -> tuple[dict[str, Path], dict[str, Mapping[str, Path]]]:
    """The folders of single inputs, and of those that are `every`, by name."""
    known = {one.name: one for one in stage.inputs}
    for name in given:
        if name not in known:
            there = ", ".join(known) or "nothing"
            raise UserError(f"the stage {stage.name} reads no {name!r}{nearest(name, known)}; it reads {there}")
    for one in stage.inputs:
        if one.name not in given and not one.optional:
            raise UserError(f"the stage {stage.name} needs {one.name}: {one.help}")
    folders: dict[str, Path] = {}
    several: dict[str, Mapping[str, Path]] = {}
    for name, value in given.items():
        if known[name].every:
            several[name] = _named([value] if isinstance(value, Path | str) else value)
        elif isinstance(value, Path | str):
            folders[name] = Path(value)
        else:
            raise UserError(f"the stage {stage.name} reads one folder as {name}, these are {len(value)}")
    return folders, several


def _named(places: Places) -> dict[str, Path]:
    """Several folders by name: that of the folder, numbered where two have the same."""
    if isinstance(places, Mapping):
        return {name: Path(place) for name, place in places.items()}
    found: dict[str, Path] = {}
    for folder in map(Path, places):
        found[folder.name if folder.name not in found else f"{folder.name}-{len(found) + 1}"] = folder
    return found


def _apart(into: Path, reads: Sequence[Path]) -> None:
    """Refuse to write over what is read."""
    place = into.resolve()
    for one in (path.resolve() for path in reads):
        if place == one or one in place.parents or place in one.parents:
            raise UserError(f"{into} would be written where {one.name} is read; name another folder with --into")


def _free(into: Path, job: Job, force: bool) -> None:
    """Refuse a place that is taken, or where nothing can be written."""
    found = manifest.read(into)
    if into.exists() and (found is None or found.stage != job.stage):
        raise UserError(
            f"{into} is there already and is no folder of `hornbook {job.stage}`; name another one with --into"
        )
    if into.exists() and not force:
        why = "another version" if store.outdated(into, job) else "other settings, other documents or another version"
        raise UserError(f"{into} holds what {why} made; name another folder with --into, or replace it with --force")
    writable(into)


def writable(into: Path) -> None:
    """Raise UserError where a folder of this name could not be made."""
    try:
        into.absolute().parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{into} can't be written: {error.strerror}") from None
    if not os.access(into.absolute().parent, os.W_OK) or (into.exists() and not into.is_dir()):
        raise UserError(f"{into} can't be written: there is no permission, or a file of that name")


def content(folder: Path) -> str:
    """What a folder holds, as one hash of its files: also of those that were changed after its manifest was written.

    Raises UserError where there is no such folder.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder")
    return digest_value(manifest.outputs(folder))
