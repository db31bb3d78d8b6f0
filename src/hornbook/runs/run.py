"""A recipe's stages in order: what is done is skipped, what was interrupted goes on, each folder is whole or absent."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hornbook.errors import UserError, nearest
from hornbook.files import alone
from hornbook.progress import Progress
from hornbook.runs import store
from hornbook.runs.folders import stage_folder, stage_folders
from hornbook.runs.manifest import Manifest
from hornbook.runs.steps import Step


@dataclass(frozen=True)
class Result:
    """A finished stage: where it lies, its manifest, and whether it was already there."""

    step: Step
    folder: Path
    manifest: Manifest
    skipped: bool


def folder_of(steps: Sequence[Step], name: str, root: Path) -> Path:
    """`root/NN-name`, numbered by the recipe's order."""
    return stage_folder(root, [step.name for step in steps].index(name) + 1, name)


def up_to(steps: Sequence[Step], until: str | None) -> Sequence[Step]:
    """The stages to run; raises UserError for a name that is none of them."""
    names = [step.name for step in steps]
    if until is None:
        return steps
    if until not in names:
        raise UserError(f"there is no stage {until!r}{nearest(until, names)}; the stages are {', '.join(names)}")
    return steps[: names.index(until) + 1]


def run(
    steps: Sequence[Step],
    root: Path,
    *,
    until: str | None = None,
    force: Sequence[str] = (),
    progress: Progress,
    announce: Callable[[Result], None] = lambda result: None,
    keep_outdated: bool = False,
) -> list[Result]:
    """Run what is not done yet. `announce` hears of every stage as it is finished or found done.

    `keep_outdated`: what was made by other code counts as done all the same (see `outdated`).
    """
    chosen = up_to(steps, until)
    for name in force:
        up_to(steps, name)
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{root} cannot be made a folder: {error.strerror}; choose another one with --into") from None
    results: dict[str, Result] = {}
    with alone(root / ".lock", f"another run (process {{}}) works in {root}; wait for it or use --into"):
        _finish_deletions(root)
        _renumber(steps, root)
        for step in chosen:
            folder = folder_of(steps, step.name, root)
            job = step.job({name: results[name].manifest.content for name in step.inputs})
            if step.name in force:
                store.clear(folder)
            found = store.done(folder, job) or (store.outdated(folder, job) if keep_outdated else None)
            if found is None:
                inputs = {name: results[name].folder for name in step.inputs}
                made = store.make(
                    folder,
                    job,
                    lambda into, step=step, inputs=inputs: step.run(inputs, into, progress),  # type: ignore[misc]
                    headline=step.headline,
                    checkpoints=step.checkpoints,
                    keep_outdated=keep_outdated,
                )
                result = Result(step, folder, made, skipped=False)
            else:
                result = Result(step, folder, found, skipped=True)
            results[step.name] = result
            announce(result)
    return list(results.values())


@dataclass(frozen=True)
class State:
    """How far a run is, by stage: the manifests of what is done, those of what other code made, and what other code
    began and did not finish.
    """

    done: Mapping[str, Manifest]
    outdated: Mapping[str, Manifest]
    begun: tuple[str, ...] = ()


def state(steps: Sequence[Step], root: Path) -> State:
    """Look at a run without changing it. A stage whose inputs are not known yet is in neither."""
    finished: dict[str, Manifest] = {}
    other: dict[str, Manifest] = {}
    begun: list[str] = []
    for step in steps:
        known = finished | other
        if not set(step.inputs) <= known.keys():
            continue
        folder, job = folder_of(steps, step.name, root), step.job({name: known[name].content for name in step.inputs})
        for found, where in ((store.done(folder, job), finished), (store.outdated(folder, job), other)):
            if found is not None:
                where[step.name] = found
        if step.name not in finished and store.begun(folder, job) is None:
            begun.append(step.name)
    return State(finished, other, tuple(begun))


def _renumber(steps: Sequence[Step], root: Path) -> None:
    """Give a run's folders this recipe's numbers: those of another differ where it has a stage more or less."""
    there = stage_folders(root)
    for step in steps:
        folder = folder_of(steps, step.name, root)
        if step.name in there and not folder.exists():
            there[step.name].rename(folder)


def _finish_deletions(root: Path) -> None:
    """Finish the deletions that a kill cut short: of stages' folders, whole or partial, by the name they then have."""
    for path in root.glob(".*.old"):
        if re.fullmatch(r"\.\d\d-[\w-]+(\.partial)?\.\d+\.old", path.name):
            shutil.rmtree(path, ignore_errors=True)
