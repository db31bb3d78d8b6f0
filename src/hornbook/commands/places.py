"""Runs and models as arguments: what a user may name, and the run that is meant."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hornbook.errors import UserError
from hornbook.runs.folders import is_run

MODEL = Annotated[
    str,
    typer.Argument(
        help="A model folder, the folder of a stage or a run (its last model), a run's name, or a name of "
        "`hornbook model list`."
    ),
]


def run_folder(run: str) -> Path:
    """The folder of a run, given as a folder or as a name in runs/."""
    for root in (Path(run), Path("runs") / run):
        if is_run(root):
            return root
    raise UserError(f"{run} is not a run; give a folder that `hornbook run` made, such as runs/pocket")
