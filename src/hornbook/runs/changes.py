"""What of a run is done, and what of it would be done again because settings, documents or code are others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hornbook.runs import manifest, store
from hornbook.runs.folders import runs_beside, stage_folders, stages_called
from hornbook.runs.manifest import Manifest
from hornbook.runs.run import folder_of
from hornbook.runs.steps import Step
from hornbook.runs.store import Begun, Job

_ABSENT = "absent"  # of a setting that one of two versions does not have


@dataclass(frozen=True)
class Lost:
    """Work that will be done again. why: what changed, in words; None where only what it reads may."""

    seconds: float
    why: str | None = None


@dataclass(frozen=True)
class State:
    """How far a run is, by stage.

    done, outdated: the manifests of what is done, and of what other code made. begun: the seconds that other code
    worked on what is not finished. elsewhere: where another run has the same. changed: finished or begun work of which
    settings or inputs are others, or the work of the stages after it, which may become others.
    """

    done: Mapping[str, Manifest]
    outdated: Mapping[str, Manifest]
    begun: Mapping[str, float] = field(default_factory=dict)
    elsewhere: Mapping[str, Path] = field(default_factory=dict)
    changed: Mapping[str, Lost] = field(default_factory=dict)


def state(steps: Sequence[Step], root: Path, *, reuse: bool = False) -> State:
    """Look at a run without changing it. Raises UserError for what lies in a stage's place and is not Hornbook's."""
    others = runs_beside(root) if reuse else []
    finished: dict[str, Manifest] = {}
    other: dict[str, Manifest] = {}
    begun: dict[str, float] = {}
    elsewhere: dict[str, Path] = {}
    changed: dict[str, Lost] = {}
    made: dict[str, Manifest] = {}
    numbers = stage_folders(root)
    for step in steps:
        folder = folder_of(steps, step.name, root)
        if not folder.exists() and step.name in numbers and manifest.carries(numbers[step.name]):
            folder = numbers[step.name]  # as another recipe numbered it
        before = store.begun(folder)
        if not set(step.inputs) <= made.keys():
            last = manifest.read(folder)
            if last is not None or before is not None:
                changed[step.name] = Lost(_seconds(last) + (before.seconds if before is not None else 0.0))
            continue
        job = step.job_after(made)
        if found := store.done(folder, job):
            finished[step.name] = made[step.name] = found
        elif found := store.outdated(folder, job):
            other[step.name] = made[step.name] = found
        elif place := store.elsewhere(job, stages_called(step.name, others)):
            taken = manifest.read(place)
            assert taken is not None
            elsewhere[step.name], made[step.name] = place, taken
        else:
            store.replaceable(folder)
            same = before.is_of(job) if before is not None else False
            if before is not None and same is None:
                begun[step.name] = before.seconds
            lost = _lost(manifest.read(folder), before if same is False else None, job) if same is False else None
            if lost is not None:
                changed[step.name] = lost
    return State(finished, other, begun, elsewhere, changed)


def outdated(found: State, steps: Sequence[Step], root: Path) -> str | None:
    """What would be made again because its code changed, and how much work that was; None where nothing would."""
    changed = [step.name for step in steps if step.name in found.outdated or step.name in found.begun]
    if not changed:
        return None
    first = [step.name for step in steps].index(changed[0])
    redone = [step.name for step in steps[first:] if step.name not in found.done]
    seconds = sum(one.seconds for one in found.outdated.values()) + sum(found.begun.values())
    return (
        f"the code of {', '.join(changed)} has changed since {root} was made; with it "
        f"{', '.join(redone)} would be made again ({in_words(seconds)} of work)"
    )


def discarded(found: State, root: Path, force: Sequence[str] = ()) -> str | None:
    """What would be made again because settings or documents changed, and how much work that was; None where nothing
    would but what is `force`d and what may follow from that.
    """
    why = {name: lost.why for name, lost in found.changed.items() if lost.why is not None and name not in force}
    if not why:
        return None
    seconds = sum(lost.seconds for lost in found.changed.values())
    follow = [name for name, lost in found.changed.items() if lost.why is None]
    after = f", and after it perhaps {', '.join(follow)}" if follow else ""
    told = "; ".join(f"{name} ({reason})" for name, reason in why.items())
    return (
        f"{root} holds work of other settings or documents, which would be made again: {told}{after}; "
        f"up to {in_words(seconds)} of work"
    )


def in_words(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 36_000:
        return f"{int(seconds // 60)} min {int(seconds % 60):02d} s"
    return f"{seconds / 3600:,.0f} h" if seconds < 360_000 else f"{seconds / 86_400:,.0f} days"


def _seconds(made: Manifest | None) -> float:
    return made.seconds if made is not None else 0.0


def _lost(made: Manifest | None, before: Begun | None, job: Job) -> Lost | None:
    """What another job did in a stage's place, and how this one differs from it."""
    others = [(one.key, one.settings) for one in (made, before) if one is not None and one.key != job.key]
    if not others:
        return None
    seconds = _seconds(made) + (before.seconds if before is not None else 0.0)
    return Lost(seconds, differences(others[-1][1], {**job.settings, **job.beside}))


def differences(before: Mapping[str, Any], after: Mapping[str, Any], most: int = 3) -> str:
    """The settings in which two differ, "batch 4 → 8, seed 1 → 2"; what they read, where they are the same."""
    changed = list(_differing(before, after))
    told = [f"{key} {_short(old)} → {_short(new)}" for key, old, new in changed[:most]]
    more = [f"{len(changed) - most} more"] if len(changed) > most else []
    return ", ".join([*told, *more]) or "what it reads"


def _differing(before: Mapping[str, Any], after: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Dotted keys with what they were and are, those that only one side has last."""
    for name in after:
        if name in before and before[name] != after[name]:
            old, new = _table(before[name]), _table(after[name])
            if old and new:
                yield from _differing(old, new, f"{above}{name}.")
            else:
                yield f"{above}{name}", before[name], after[name]
    for name in (*before, *after):
        if (name in before) != (name in after) and "." not in name:  # what changes no result has its key whole
            yield f"{above}{name}", before.get(name, _ABSENT), after.get(name, _ABSENT)


def _table(value: Any) -> Mapping[str, Any]:
    """A table, or a list of tables by number; nothing else has keys."""
    if isinstance(value, Mapping):
        return value
    listed = isinstance(value, list | tuple) and all(isinstance(one, Mapping) for one in value)
    return {str(number): one for number, one in enumerate(value)} if listed else {}


def _short(value: Any) -> str:
    told = "unset" if value is None else str(value)
    if isinstance(value, Mapping) and value:
        told = ", ".join(f"{key}={one}" for key, one in value.items())
    return told if len(told) <= 30 else f"{told[:29]}…"
