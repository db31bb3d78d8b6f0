"""From a result back to what it was made of: each folder's manifest names, by hash, what it read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hornbook.errors import UserError
from hornbook.files import folders_in
from hornbook.runs import manifest
from hornbook.runs.folders import final_model
from hornbook.runs.manifest import Manifest


@dataclass(frozen=True)
class Link:
    """A folder with its manifest. `reads`: for each input the folder that still holds exactly that, None for none."""

    folder: Path
    manifest: Manifest
    reads: Mapping[str, Path | None]

    @property
    def stage(self) -> str:
        """What was done."""
        return self.manifest.stage


def chain(result: Path | str) -> list[Link]:
    """The way from a result to where its documents were read: nearest first, and each before all that it read.

    result: a folder with a manifest, a checkpoint in one, or a run, which stands for its last model. What was read is
    looked for among the folders beside it. Raises UserError where there is no manifest.
    """
    start = _with_manifest(Path(result))
    manifests = {path: made for path in folders_in(start.parent) if (made := manifest.read(path)) is not None}
    held = {path: made.contents for path, made in manifests.items()}
    found: dict[Path, Link] = {}

    def holder(name: str, content: str) -> Path | None:
        """Where it lies: in the stage of that name, before another one that holds an equal file."""
        holders = [path for path in held if content in held[path]]
        return next((path for path in holders if manifests[path].stage == name), holders[0] if holders else None)

    def follow(folder: Path) -> None:
        made = manifests[folder]
        reads = {name: holder(name, content) for name, content in made.inputs.items()}
        for other in reads.values():
            if other is not None and other not in found:
                follow(other)
        found[folder] = Link(folder, made, reads)

    follow(start)
    return list(reversed(found.values()))


def _with_manifest(place: Path) -> Path:
    """The folder with a manifest that `place` is, lies in, or, as a run, ends with."""
    model = final_model(place) or place
    for folder in (model, *model.parents):
        if manifest.read(folder) is not None:
            return folder
    raise UserError(f"neither {place} nor a folder above it has a {manifest.FILE}: nothing tells what it was made of")
