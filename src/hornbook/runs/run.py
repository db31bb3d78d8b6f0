"""A recipe's stages in order: what is done is skipped, what was interrupted goes on, each folder is whole or absent."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from rich.markup import escape

from hornbook.errors import UserError, nearest
from hornbook.files import alone, in_turn, sweep_beside, write_text
from hornbook.progress import Progress
from hornbook.runs import manifest, store
from hornbook.runs.folders import runs_beside, stage_folder, stage_folders, stages_called
from hornbook.runs.manifest import Manifest
from hornbook.runs.steps import Step
from hornbook.runs.store import Job

LOCK = ".hornbook.lock"
RECIPE = "recipe.toml"  # in a run: what makes it again
KEPT = "# Kept by hornbook run: the settings of this run; `hornbook run` with this file makes it again."
_BEGUN = re.compile(r"\.\d\d-(?P<stage>[a-z][a-z0-9_-]*)\.partial")


@dataclass(frozen=True)
class Result:
    """A finished stage: where it lies, its manifest, whether it was there already, and what other run it is from."""

    step: Step
    folder: Path
    manifest: Manifest
    skipped: bool
    taken: Path | None = None


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


def run(  # noqa: PLR0913 (one for each wish)
    steps: Sequence[Step],
    root: Path,
    *,
    until: str | None = None,
    force: Sequence[str] = (),
    progress: Progress,
    announce: Callable[[Result], None] = lambda result: None,
    keep_outdated: bool = False,
    reuse: bool = False,
    turns: Path | None = None,
    recipe: str = "",
) -> list[Result]:
    """Run what is not done yet. `announce` hears of every stage as it is finished or found done.

    What a stage reads is compared with its manifest to the last bit before it begins; a damaged stage is made again.
    `keep_outdated`: what was made by other code counts as done all the same (see `changes.state`). `reuse`: what lies
    equal in another run beside this one is taken from there. `turns`: a folder for locks, by which runs beside each
    other wait for what one of them is making, and take it. `recipe`: the text of a recipe that makes this run again.
    Raises UserError where something that is not Hornbook's lies in the place of a stage.
    """
    chosen = up_to(steps, until)
    for name in force:
        up_to(steps, name)
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{root} cannot be made a folder: {error.strerror}; choose another one with --into") from None
    with alone(root / LOCK, f"another run (process {{}}) works in {root}; wait for it or use --into"):
        _tidy(steps, root)
        for step in chosen:
            store.ours(folder_of(steps, step.name, root))
        _keep_recipe(root, recipe)
        others = runs_beside(root) if reuse else []
        work = _Run(steps, root, set(force), progress, announce, keep_outdated, others, turns)
        while not work.through(chosen):
            pass
    return list(work.results.values())


class _Run:
    """Stages done in order, from the start again where one that counted as done turns out to be damaged."""

    def __init__(
        self,
        steps: Sequence[Step],
        root: Path,
        force: set[str],
        progress: Progress,
        announce: Callable[[Result], None],
        keep_outdated: bool,
        others: Sequence[Path],
        turns: Path | None,
    ) -> None:
        self.results: dict[str, Result] = {}
        self._steps, self._root, self._others, self._turns = steps, root, others, turns
        self._again, self._damaged, self._told = force, set[str](), set[str]()
        self._progress, self._announce, self._keep_outdated = progress, announce, keep_outdated

    def through(self, chosen: Sequence[Step]) -> bool:
        """Do what is not done; False where one that was done is to be made again first."""
        self.results = {}
        for step in chosen:
            folder = folder_of(self._steps, step.name, self._root)
            job = step.job_after({name: self.results[name].manifest for name in step.inputs})
            found = None if step.name in self._again else self._found(folder, job)
            if found is None and not self._sound(step):
                return False
            if found is not None:
                result = Result(step, folder, found, skipped=True)
            else:
                with self._turn(job):
                    result = self._make(step, folder, job)
            self.results[step.name] = result
            if step.name not in self._told or not result.skipped:
                self._announce(result)
            self._told.add(step.name)
        return True

    def _turn(self, job: Job) -> AbstractContextManager[None]:
        """Where runs take turns, the time in which no other of them does this very job."""
        return nullcontext() if self._turns is None else in_turn(self._turns / f".{job.stage}-{job.key[:16]}{LOCK}")

    def _found(self, folder: Path, job: Job) -> Manifest | None:
        return store.done(folder, job) or (store.outdated(folder, job) if self._keep_outdated else None)

    def _sound(self, step: Step) -> bool:
        """Whether all that a stage reads is what was written; what is not will be made again."""
        for name in step.inputs:
            found = self.results[name]
            wrong = manifest.damage(found.folder, found.manifest)
            if not wrong:
                continue
            if name in self._damaged:
                raise UserError(f"{found.folder} was made again and is damaged again: {wrong[0]}; is the disk sound?")
            self._progress.say(escape(f"  {found.folder} is damaged: {wrong[0]}; {name} is made again"))
            self._damaged.add(name)
            self._again.add(name)
            return False
        return True

    def _make(self, step: Step, folder: Path, job: Job) -> Result:
        if step.name in self._again:
            if step.name not in self._damaged:
                store.clear(folder)
        else:
            place = store.elsewhere(job, stages_called(step.name, self._others))
            found = manifest.read(place) if place is not None else None
            if place is not None and found is not None:
                store.take(folder, place, found)
                return Result(step, folder, found, skipped=True, taken=place)
        inputs = {name: self.results[name].folder for name in step.inputs}
        made = store.make(
            folder,
            job,
            lambda into: step.run(inputs, into, self._progress),
            headline=step.headline,
            checkpoints=step.checkpoints,
            keep_outdated=self._keep_outdated,
        )
        self._again.discard(step.name)
        return Result(step, folder, made, skipped=False)


def _tidy(steps: Sequence[Step], root: Path) -> None:
    """Finish the deletions that a kill cut short, and give what is there of a run this recipe's numbers."""
    there = stage_folders(root)
    for name in {*there.values(), *(folder_of(steps, step.name, root) for step in steps)}:
        sweep_beside(name)
        sweep_beside(store.partial_of(name))
    begun = {match["stage"]: path for path in root.glob(".*.partial") if (match := _BEGUN.fullmatch(path.name))}
    for step in steps:
        folder = folder_of(steps, step.name, root)
        before = there.get(step.name)
        if before is not None and not os.path.lexists(folder) and manifest.carries(before):
            before.rename(folder)
        partial, now = begun.get(step.name), store.partial_of(folder)
        if partial is not None and not os.path.lexists(now) and store.is_begun(partial):
            partial.rename(now)


def _keep_recipe(root: Path, text: str) -> None:
    """Write down what makes this run again, where nobody has put a file of that name."""
    place = root / RECIPE
    sweep_beside(place)
    if text and (not os.path.lexists(place) or is_kept(place)):
        write_text(place, f"{KEPT}\n{text}")


def is_kept(place: Path) -> bool:
    """Whether a recipe is one that a run keeps of itself."""
    try:
        with place.open(encoding="utf-8") as file:
            return not place.is_symlink() and file.readline().rstrip("\n") == KEPT
    except (OSError, UnicodeDecodeError):
        return False
