"""Whether a run is what was written: every file of every stage to the last bit, and the chain between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hornbook.errors import UserError
from hornbook.files import read_checked
from hornbook.runs import manifest, store
from hornbook.runs.folders import is_run, run_above, stage_folders
from hornbook.runs.manifest import SCRATCH, Manifest

STATE = "state.pt"


@dataclass(frozen=True)
class Verified:
    """What is to be said of a folder. wrong: what is not as it was written, or was made of what is not here any more.

    others: files in it that are not Hornbook's. stage: None where work was begun and is not finished.
    """

    folder: Path
    stage: str | None
    files: int
    size: int
    wrong: tuple[str, ...]
    others: tuple[str, ...] = ()


def verify(place: Path) -> Iterator[Verified]:
    """Read every file of a run, or of one folder with a manifest, and compare it with what its manifest tells.

    Raises UserError where there is neither.
    """
    folders = _folders(place)
    made = {folder: found for folder in folders if (found := manifest.read(folder)) is not None}
    there = {content for found in made.values() for content in found.contents}
    for folder in folders:
        if folder not in made:
            yield Verified(folder, None, 0, 0, (f"{manifest.FILE} is damaged, or another version's",))
            continue
        yield _verified(folder, made[folder], there if len(folders) > 1 else None)
        partial = store.partial_of(folder)
        if partial.is_dir():
            yield _begun(partial)
    for partial in sorted(place.glob(".*.partial")) if is_run(place) else []:
        if store.is_begun(partial) and not any(store.partial_of(folder) == partial for folder in folders):
            yield _begun(partial)


def _folders(place: Path) -> list[Path]:
    run = place if is_run(place) else None
    if run is None:
        folder = next((one for one in (place, *place.absolute().parents) if (one / manifest.FILE).is_file()), None)
        if folder is None or (folder != place and run_above(place) is None):
            raise UserError(f"{place} is no run, and no folder with a {manifest.FILE}")
        return [folder]
    return [folder for folder in stage_folders(run).values() if (folder / manifest.FILE).is_file()]


def _verified(folder: Path, found: Manifest, there: set[str] | None) -> Verified:
    wrong = manifest.damage(folder, found)
    if there is not None:
        wrong += [
            f"what it read as {name} is not in this run" for name, one in found.inputs.items() if one not in there
        ]
    others = [name for name in manifest.files(folder) if name not in found.outputs]
    return Verified(folder, found.stage, len(found.outputs), sum(found.sizes.values()), tuple(wrong), tuple(others))


def _begun(partial: Path) -> Verified:
    """What an interrupted stage would go on from."""
    wrong = []
    for state in partial.rglob(STATE):
        if state.parent.name == SCRATCH and read_checked(state) is None:
            wrong.append(f"{SCRATCH}/{STATE} is damaged: the training would begin again")
    files = [path for path in partial.rglob("*") if path.is_file()]
    return Verified(partial, None, len(files), sum(path.stat().st_size for path in files), tuple(wrong))
