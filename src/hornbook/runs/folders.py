"""Where a run keeps its stages: folders `NN-stage`, numbered in the recipe's order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from hornbook.files import folders_in
from hornbook.runs import manifest

# What a folder of an adapter (PEFT) holds instead of a model's config.json.
ADAPTER = "adapter_config.json"
_NUMBERED = re.compile(r"\d\d-(?P<stage>[a-z][a-z0-9_-]*)")


def stage_folder(root: Path, number: int, stage: str) -> Path:
    """Where the stage that comes as `number` (from 1) of a recipe goes."""
    return root / f"{number:02d}-{stage}"


def stage_folders(root: Path) -> dict[str, Path]:
    """The stages' folders that lie in a run, by the stage's name, in their order. Empty where there is no such run."""
    if not root.is_dir():
        return {}
    numbered = ((_NUMBERED.fullmatch(path.name), path) for path in sorted(root.iterdir()))
    return {match["stage"]: path for match, path in numbered if match is not None and path.is_dir()}


def is_run(root: Path) -> bool:
    """Whether a folder is one that `hornbook run` made: it has a stage that is whole."""
    return any((folder / manifest.FILE).is_file() for folder in stage_folders(root).values())


def run_above(path: Path) -> Path | None:
    """The run that a file or folder belongs to, None where it belongs to none."""
    return next((parent for parent in path.absolute().parents if is_run(parent)), None)


def runs_beside(root: Path) -> list[Path]:
    """The other runs in the folder where a run lies."""
    return [one for one in folders_in(root.absolute().parent) if one != root.absolute()]


def stages_called(stage: str, runs: Sequence[Path]) -> Iterator[Path]:
    """A stage's folders in several runs."""
    for one in runs:
        with suppress(OSError):
            folder = stage_folders(one).get(stage)
            if folder is not None:
                yield folder


def is_model(folder: Path) -> bool:
    """Whether a folder holds a model, or an adapter of one."""
    return any((folder / name).is_file() for name in ("config.json", ADAPTER))


def final_model(run: Path) -> Path | None:
    """The last checkpoint of a run that one would train further, or None where there is none yet."""
    found = [last_checkpoint(folder, trained=True) for folder in stage_folders(run).values()]
    return next((place for place in reversed(found) if place is not None), None)


def last_checkpoint(folder: Path, *, trained: bool = False) -> Path | None:
    """The last model that a stage left in its folder, None where there is none; `trained`: and that is not shrunk."""
    found = manifest.read(folder)
    for checkpoint in reversed(found.checkpoints if found is not None else []):
        place = folder / checkpoint["folder"]
        if not (trained and checkpoint["shrunk"]) and is_model(place):
            return place
    return None


def model_title(model: str) -> str:
    """What a page calls a model, by its folder or name: one of a run by the run and the stage, `pocket, 08-dpo`."""
    parts = [part for part in Path(model).parts if part != "model"] or [model]
    stage = next((at for at in reversed(range(1, len(parts))) if _NUMBERED.fullmatch(parts[at])), None)
    return parts[-1] if stage is None else f"{parts[stage - 1]}, {'/'.join(parts[stage:])}"
