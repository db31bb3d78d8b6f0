"""Which folder a user means by the name of a run, of a model, or of a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hornbook.errors import UserError
from hornbook.model import locate
from hornbook.runs import manifest
from hornbook.runs.folders import is_run, stage_folders

MODEL = Annotated[
    str,
    typer.Argument(
        help="A model folder, a run folder (its last model), a run's name, or a name of `hornbook model list`."
    ),
]


def run_folder(run: str) -> Path:
    """The folder of a run, given as a folder or as a name in runs/."""
    for root in (Path(run), Path("runs") / run):
        if is_run(root):
            return root
    raise UserError(f"{run} is not a run; give a folder that `hornbook run` made, such as runs/pocket")


def model_folder(model: str) -> Path:
    """The checkpoint that a user means by a folder or a run's name."""
    for root in (Path(model), Path("runs") / model):
        if (root / "config.json").is_file():
            return root
        if (root / "model" / "config.json").is_file():
            return root / "model"
        if root.is_dir():
            found = final_model(root)
            if found is not None:
                return found
    if Path(model).is_dir():
        raise UserError(f"{model} holds no model; give a folder with config.json, or a run folder such as runs/pocket")
    return locate(model)


def final_model(run: Path) -> Path | None:
    """The last checkpoint of a run that one would train further, or None where there is none yet."""
    for folder in reversed(stage_folders(run).values()):
        found = manifest.read(folder)
        for checkpoint in reversed(found.checkpoints if found is not None else []):
            place = folder / checkpoint["folder"]
            if not checkpoint["shrunk"] and (place / "config.json").is_file():
                return place
    return None
