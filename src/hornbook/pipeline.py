"""A recipe's stages in order: what is done is skipped, what was interrupted goes on, each folder is whole or absent."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hornbook import machine, manifest
from hornbook.errors import UserError, nearest
from hornbook.files import alone, digest_value, remove_folder, sweep
from hornbook.manifest import Manifest
from hornbook.progress import Progress


@dataclass(frozen=True)
class Work:
    """What a stage gets: its inputs' folders by stage name, the folder to write, and where to show progress."""

    inputs: Mapping[str, Path]
    into: Path
    progress: Progress


@dataclass(frozen=True)
class Stage:
    """One step of a recipe.

    `code` names the rooms whose source decides whether an old result is still this stage's result; `outside` is
    whatever else the result depends on (the files of a source folder, say).
    """

    name: str
    summary: str
    inputs: tuple[str, ...]
    settings: dict[str, Any]
    code: tuple[str, ...]
    run: Callable[[Work], dict[str, Any]]
    outside: Callable[[], Any] = lambda: None


@dataclass(frozen=True)
class Result:
    """A finished stage: where it lies, its manifest, and whether it was already there."""

    stage: Stage
    folder: Path
    manifest: Manifest
    skipped: bool


def folder_of(stages: Sequence[Stage], name: str, root: Path) -> Path:
    """`root/NN-name`, numbered by the recipe's order."""
    names = [stage.name for stage in stages]
    return root / f"{names.index(name) + 1:02d}-{name}"


def up_to(stages: Sequence[Stage], until: str | None) -> Sequence[Stage]:
    """The stages to run; raises UserError for a name that is none of them."""
    names = [stage.name for stage in stages]
    if until is None:
        return stages
    if until not in names:
        raise UserError(f"there is no stage {until!r}{nearest(until, names)}; the stages are {', '.join(names)}")
    return stages[: names.index(until) + 1]


def run(
    stages: Sequence[Stage],
    root: Path,
    *,
    until: str | None = None,
    force: Sequence[str] = (),
    progress: Progress,
    announce: Callable[[Result], None] = lambda result: None,
) -> list[Result]:
    """Run what is not done yet. `announce` hears of every stage as it is finished or found done."""
    chosen = up_to(stages, until)
    for name in force:
        up_to(stages, name)
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{root} cannot be made a folder: {error.strerror}; choose another one with --into") from None
    results: dict[str, Result] = {}
    with alone(root / ".lock", f"another run (process {{}}) works in {root}; wait for it or use --into"):
        _sweep_folders(root)
        _renumber(stages, root)
        for stage in chosen:
            folder = folder_of(stages, stage.name, root)
            inputs = {name: results[name].manifest.content for name in stage.inputs}
            result = _run_stage(stage, folder, inputs, results, stage.name in force, progress)
            results[stage.name] = result
            announce(result)
    return list(results.values())


def _renumber(stages: Sequence[Stage], root: Path) -> None:
    """Give a run's folders this recipe's numbers: those of another differ where it has a stage more or less."""
    for stage in stages:
        folder = folder_of(stages, stage.name, root)
        others = sorted(root.glob(f"[0-9][0-9]-{stage.name}"))
        if others and folder not in others:
            others[-1].rename(folder)


def is_done(stage: Stage, folder: Path, inputs: Mapping[str, str]) -> Manifest | None:
    """The manifest, if `folder` holds exactly what this stage would write."""
    return manifest.finished(folder, _key(stage, inputs))


def _key(stage: Stage, inputs: Mapping[str, str]) -> str:
    return digest_value(
        {
            "stage": stage.name,
            "settings": stage.settings,
            "inputs": dict(inputs),
            "outside": stage.outside(),
            "code": manifest.code_digest(stage.code),
        }
    )


def _run_stage(
    stage: Stage,
    folder: Path,
    inputs: Mapping[str, str],
    results: Mapping[str, Result],
    force: bool,
    progress: Progress,
) -> Result:
    """Do one stage unless it is done. A folder is renamed into place only when it is whole."""
    partial = folder.with_name(f".{folder.name}.partial")
    key = _key(stage, inputs)
    if force:
        remove_folder(partial)
        remove_folder(folder)
    done = manifest.finished(folder, key)
    if done is not None:
        return Result(stage, folder, done, skipped=True)
    finished = manifest.finished(partial, key)
    if finished is None:
        finished = _work(stage, partial, key, inputs, results, progress)
    remove_folder(partial / manifest.SCRATCH)
    sweep(partial)
    remove_folder(folder)
    partial.rename(folder)
    return Result(stage, folder, finished, skipped=False)


def _work(
    stage: Stage,
    partial: Path,
    key: str,
    inputs: Mapping[str, str],
    results: Mapping[str, Result],
    progress: Progress,
) -> Manifest:
    """Run a stage in its partial folder, on top of what an interrupted run of the very same stage left there."""
    manifest.go_on(partial, key)
    machine.release_memory()

    def work() -> dict[str, Any]:
        figures = stage.run(Work({name: results[name].folder for name in stage.inputs}, partial, progress))
        sweep(partial)
        return figures

    return manifest.measured(
        partial, work, stage=stage.name, key=key, settings=stage.settings, inputs=inputs, code=stage.code
    )


def _sweep_folders(root: Path) -> None:
    """Finish the deletions that a kill cut short: `.NAME.PID.old` beside the stages' folders."""
    for path in root.glob(".*.old"):
        shutil.rmtree(path, ignore_errors=True)
