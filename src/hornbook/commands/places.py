"""Runs and models as arguments: what a user may name, and the run that is meant."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hornbook.errors import UserError, nearest
from hornbook.runs import manifest
from hornbook.runs.folders import is_run, run_above, runs_beside

MODEL = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A model folder, the folder of a stage or a run (its last model), a run's name, or a name of "
        "`hornbook model list`.",
    ),
]
A_RECIPE = Annotated[
    str, typer.Argument(metavar="RECIPE", help="A recipe's name (see `hornbook recipes`) or a .toml file.")
]


def run_folder(run: str, also: str = "") -> Path:
    """The folder of a run, given as a folder or as a name in runs/. also: what else the command takes, in words."""
    given = Path(run)
    for root in (given, Path("runs") / run):
        if is_run(root):
            return root
    found, above = manifest.read(given), run_above(given)
    why = ""
    if not given.exists():
        runs = [place.name for place in runs_beside(given) if is_run(place)]
        why = f": it does not exist{nearest(given.name, runs)}"
    elif found is not None:
        why = f": it is the stage {found.stage}{f' of {_shown(above)}' if above is not None else ''}"
    raise UserError(f"{run} is not a run{why}; give a folder that `hornbook run` made, such as runs/pocket{also}")


def _shown(folder: Path) -> Path:
    """A folder as one would type it here."""
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
