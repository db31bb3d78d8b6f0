"""`hornbook pretrain`: a model from nothing on packed documents, or a published one that reads on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hornbook.commands.folders import CHANGED_CODE, FORCE
from hornbook.commands.settings import is_override
from hornbook.commands.stages import ASKED, DRY_RUN, RECIPE, SAMPLES, command_of
from hornbook.errors import UserError
from hornbook.train.further import FURTHER
from hornbook.train.pretrain import PRETRAIN

_from_nothing = command_of(PRETRAIN, "pretrained", "model", "")
_further = command_of(FURTHER, "pretrained", "model", "")


def pretrain(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="TOKENS|MODEL DATA[:SHARE]|KEY=VALUE",
            help="What `hornbook tokens` made; or a model and texts for it to read on in: files, folders, a corpus, "
            "hf:NAME; settings as in a recipe.",
        ),
    ],
    into: Annotated[Path, typer.Option(metavar="FOLDER", help="The folder to write.")] = Path("pretrained"),
    *,
    recipe: RECIPE = None,
    force: FORCE = False,
    changed_code: CHANGED_CODE = None,
    dry_run: DRY_RUN = False,
    samples: SAMPLES = ASKED,
) -> None:
    """Train a model from nothing, on packed documents; or let a published one read on in your texts."""
    folders = [word for word in words if not is_override(word)]
    settings = [word for word in words if is_override(word)]
    options = {"into": into, "recipe": recipe, "force": force, "changed_code": changed_code, "samples": samples}
    if not folders:
        raise UserError("`hornbook pretrain` needs what `hornbook tokens` made, or a model and texts")
    if len(folders) == 1:
        if dry_run:
            raise UserError("--dry-run is for a model and texts; `hornbook run RECIPE --dry-run` tells of a recipe")
        _from_nothing(tokens=Path(folders[0]), settings=settings, **options)
    else:
        _further(model=folders[0], settings=[*folders[1:], *settings], dry_run=dry_run, **options)
