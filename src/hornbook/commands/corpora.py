"""What commands on corpora share: who works, and a folder that is whole or absent and never made twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from hornbook import machine, manifest
from hornbook.errors import UserError
from hornbook.files import digest_value, remove_folder, sweep
from hornbook.manifest import Manifest
from hornbook.workers import runner as runners

RUNNER = Annotated[
    str | None,
    typer.Option(help="[bold]native[/bold]: this machine; [bold]ray[/bold]: the cluster at RAY_ADDRESS."),
]
WORKERS = Annotated[
    int | None,
    typer.Option(min=1, help="Processes of this machine that work on documents at once; one a core unless told."),
]


def choose_runner(runner: str | None, workers: int | None) -> None:
    """Heed the two options above. Raises UserError for a runner that isn't there."""
    runners.choose(runner, workers or machine.cores())


def make(
    into: Path,
    stage: str,
    settings: dict[str, Any],
    inputs: Mapping[str, str],
    code: tuple[str, ...],
    work: Callable[[Path], dict[str, Any]],
) -> tuple[Manifest, bool]:
    """Have `work` fill a folder and return its figures; the folder gets its name when it is whole, with a manifest.

    What an interrupted call left is there for the next one, in `scratch`.
    Returns the manifest, and whether the very same folder was there already. Raises UserError where something else is.
    """
    key = digest_value(
        {"stage": stage, "settings": settings, "inputs": dict(inputs), "code": manifest.code_digest(code)}
    )
    done = manifest.finished(into, key)
    if done is not None:
        return done, True
    found = manifest.read(into)
    if into.exists() and (found is None or found.stage != stage):
        raise UserError(f"{into} is there already and is no folder of `hornbook {stage}`; name another one with --into")
    partial = into.absolute().with_name(f".{into.name}.partial")
    manifest.go_on(partial, key)
    made = manifest.measured(
        partial, lambda: work(partial), stage=stage, key=key, settings=settings, inputs=inputs, code=code
    )
    remove_folder(partial / manifest.SCRATCH)
    sweep(partial)
    remove_folder(into)
    partial.rename(into)
    return made, False


def content(corpus: Path) -> str:
    """What a corpus holds, as one hash: its manifest's, or that of its files where nobody wrote a manifest."""
    found = manifest.read(corpus)
    return found.content if found is not None else digest_value(manifest.outputs(corpus))
