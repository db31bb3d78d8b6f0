"""One stage on folders, outside any recipe: a folder that is whole or absent, and never made twice.

The commands of stages and Python programs both come here; a recipe's stages are run by `run`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from hornbook.errors import UserError, nearest
from hornbook.files import alone, digest_value, folders_in
from hornbook.progress import Progress
from hornbook.runs import manifest, store
from hornbook.runs.changes import differences
from hornbook.runs.code import code_digest
from hornbook.runs.manifest import Manifest
from hornbook.runs.ranks import perform
from hornbook.runs.run import LOCK
from hornbook.runs.stage import Checkpoint, Stage, Work, key_of
from hornbook.runs.store import Job
from hornbook.settings import Settings, apply, assign, extend, validated

S = TypeVar("S", bound=Settings)

ChangedCode = Literal["redo", "keep"]
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
    changed_code: ChangedCode | None = None,
    allow_unisolated: bool = False,
    progress: Progress | None = None,
    **inputs: Place | Places,
) -> Made:
    """Do a stage's work into the folder `into`, with a manifest; what lies there already, whole, is not made again.

    settings: the stage's, or some of them by the recipe's dotted keys, `{"heuristics.rules": ["gopher"]}`; those of the
    stage's own table may leave its name out. inputs: the folder of each input that the stage declares, by its name;
    several of an input that is `every`. force: replace what else lies at `into`. changed_code: what another version of
    Hornbook made or began there is made anew ("redo") or counts ("keep"). Relative paths start from here.
    Raises UserError where the settings or the inputs are wrong, and as `make` does.
    """
    chosen = settings if isinstance(settings, stage.settings) else settings_of(stage, _mapping(settings))
    if not stage.wanted(chosen):
        raise UserError(f"nothing to {stage.name} by: name settings of {', '.join(stage.settings.model_fields)}")
    folders, several = _inputs(stage, chosen, inputs)
    read = stage.reads(chosen, Path())
    contents = {name: content(folder) for name, folder in folders.items()}
    contents |= {f"{name}: {one}": content(folder) for name, some in several.items() for one, folder in some.items()}
    decides, outside = stage.told(chosen, Path()), stage.outside(chosen, Path())
    job = Job(stage.name, decides, contents, code_digest(stage.module), outside, stage.beside(chosen, Path()))

    def work(into: Path, progress: Progress) -> dict[str, Any]:
        return perform(stage, Work(chosen, folders, into, progress, several, allow_unisolated=allow_unisolated))

    return make(
        Path(into),
        job,
        work,
        headline=stage.in_a_line,
        checkpoints=stage.left(chosen),
        reads=[*folders.values(), *(one for some in several.values() for one in some.values()), *read],
        force=force,
        changed_code=changed_code,
        progress=progress,
    )


def make(  # noqa: PLR0913 (one for each wish)
    into: Path,
    job: Job,
    work: Callable[[Path, Progress], dict[str, Any]],
    *,
    headline: Callable[[dict[str, Any]], str] = lambda figures: "",
    checkpoints: Sequence[Checkpoint] = (),
    reads: Sequence[Path] = (),
    force: bool = False,
    changed_code: ChangedCode | None = None,
    progress: Progress | None = None,
) -> Made:
    """Have `work` fill a folder; what an interrupted call left is there for the next one. See `run_stage`.

    Raises UserError where something else lies there (unless `force`d), where the folder is one of those that the work
    `reads`, and where another process makes it.
    """
    _apart(into, reads)
    keep = changed_code == "keep"
    done = store.done(into, job) or (store.outdated(into, job) if keep else None)
    if done is not None:
        return Made(into, done, before=True)
    _free(into, job, force, changed_code)
    shown = progress or Progress()
    lock = into.absolute().with_name(f".{into.absolute().name}{LOCK}")
    busy = f"another `hornbook {job.stage}` (process {{}}) makes {into}; wait for it or name another --into"
    with alone(lock, busy):
        try:
            made = store.make(
                into.absolute(),
                job,
                lambda folder: work(folder, shown),
                headline=headline,
                checkpoints=checkpoints,
                keep_outdated=keep,
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
    """The stage's settings: those of `start`, or what the stage has `alone`, changed by the overrides, KEY=VALUE, and
    then by what is `given` by dotted key. A list that is given goes on from the one that is there, so that neither
    loses the other's.

    Raises UserError with one line that names the wrong key and the nearest right one.
    """
    # What the recipe does not say stays unsaid: an adapter that is trained on asks.
    values: dict[str, Any] = {} if start is None else start.model_dump(exclude_unset=True)
    if start is None and stage.alone:
        values[stage.name] = dict(stage.alone)
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
    stage: Stage[S], settings: S, given: Mapping[str, Place | Places]
) -> tuple[dict[str, Path], dict[str, Mapping[str, Path]]]:
    """The folders of single inputs, and of those that are `every`, by name."""
    known = {one.name: one for one in stage.inputs}
    for name in given:
        if name not in known:
            there = ", ".join(known) or "nothing"
            raise UserError(f"the stage {stage.name} reads no {name!r}{nearest(name, known)}; it reads {there}")
    for one in stage.inputs:
        if one.name not in given and not one.optional and one.when(settings, Path()):
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


def _free(into: Path, job: Job, force: bool, changed_code: ChangedCode | None) -> None:
    """Refuse a place that is taken, or where nothing can be written, or where work would be thrown away unasked."""
    found = manifest.read(into)
    if os.path.lexists(into) and (found is None or found.stage != job.stage):
        raise UserError(
            f"{into} is there already and is no folder of `hornbook {job.stage}`; name another one with --into"
        )
    store.replaceable(into)
    if found is not None and not force and not manifest.missing(into, found):
        if not store.outdated(into, job):
            raise UserError(
                f"{into} holds what other settings, other documents or another version made; name another folder with "
                "--into, or replace it with --force"
            )
        if changed_code != "redo":
            raise UserError(
                f"{into} holds what another version made ({found.seconds:.0f} s of work); name another folder with "
                "--into, replace it with --changed-code redo, or go on with what is there with --changed-code keep"
            )
    begun = store.begun(into.absolute())
    same = begun.is_of(job) if begun is not None else True
    if begun is not None and not force:
        if same is False:
            raise UserError(
                f"{into} was begun with {differences(begun.settings, job.settings)} ({begun.seconds:.0f} s of work); "
                "go on with the settings and documents that it had, name another folder with --into, or begin anew "
                "with --force"
            )
        if same is None and changed_code is None:
            raise UserError(
                f"{into} was begun by another version ({begun.seconds:.0f} s of work); begin anew with --changed-code "
                "redo, or go on from there with --changed-code keep"
            )
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
    """What a folder holds, as one hash of its files: of more files, too, than Hornbook wrote into it.

    Raises UserError where there is no such folder, and where its manifest, or that of the folder it lies in, tells of
    files that are gone or have other contents.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder{_beside(folder)}")
    there = manifest.outputs(folder)
    for above in (folder, *folder.absolute().parents):
        found = manifest.read(above)
        if found is None:
            continue
        inside = folder.absolute().relative_to(above.absolute()).as_posix()
        prefix = "" if inside == "." else f"{inside}/"
        for name, digest in found.outputs.items():
            if name.startswith(prefix) and there.get(name.removeprefix(prefix)) != digest:
                raise UserError(
                    f"{above / name} is not what `hornbook {found.stage}` wrote: make it again; or, where you changed "
                    f"it yourself, delete {above / manifest.FILE}"
                )
        break
    return digest_value(there)


def _beside(folder: Path) -> str:
    """Which folder was meant, if one beside it has a name like it; else the first few that are there."""
    there = [one.name for one in folders_in(folder.parent)]
    few = ", ".join(there[:5]) + (", ..." if len(there) > 5 else "")
    return nearest(folder.name, there) or (f"; in {folder.parent} there are {few}" if there else "")
