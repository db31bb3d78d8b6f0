"""What commands on corpora share: who works, and a folder that is whole or absent and never made twice."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from hornbook import machine, manifest
from hornbook.errors import UserError
from hornbook.files import alone, digest_value, remove_folder, sweep
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


FORCE = Annotated[bool, typer.Option("--force", help="Replace what lies at --into.")]


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
    *,
    reads: Sequence[Path] = (),
    force: bool = False,
) -> tuple[Manifest, bool]:
    """Have `work` fill a folder and return its figures; the folder gets its name when it is whole, with a manifest.

    `reads` are the folders that the work reads. What an interrupted call left is there for the next one, in `scratch`.
    Returns the manifest, and whether the very same folder was there already. Raises UserError where something else is
    (unless `force`d), where the folder is one of those it reads, and where another process makes it.
    """
    _apart(into, reads)
    key = digest_value(
        {"stage": stage, "settings": settings, "inputs": dict(inputs), "code": manifest.code_digest(code)}
    )
    done = manifest.finished(into, key)
    if done is not None:
        return done, True
    _free(into, stage, force)
    partial = into.absolute().with_name(f".{into.name}.partial")
    lock = partial.with_suffix(".lock")
    with alone(lock, f"another `hornbook {stage}` (process {{}}) makes {into}; wait for it or name another --into"):
        try:
            manifest.go_on(partial, key)
            made = manifest.measured(
                partial, lambda: work(partial), stage=stage, key=key, settings=settings, inputs=inputs, code=code
            )
        except UserError:
            if not any((partial / manifest.SCRATCH).glob("*/")):  # nothing that the same command could go on from
                remove_folder(partial)
                lock.unlink()
            raise
        remove_folder(partial / manifest.SCRATCH)
        sweep(partial)
        remove_folder(into)
        partial.rename(into)
        lock.unlink()
    return made, False


def _apart(into: Path, reads: Sequence[Path]) -> None:
    """Refuse to write over what is read."""
    place = into.resolve()
    for one in (path.resolve() for path in reads):
        if place == one or one in place.parents or place in one.parents:
            raise UserError(f"{into} would be written where {one.name} is read; name another folder with --into")


def _free(into: Path, stage: str, force: bool) -> None:
    """Refuse a place that is taken, or where nothing can be written."""
    found = manifest.read(into)
    if into.exists() and (found is None or found.stage != stage):
        raise UserError(f"{into} is there already and is no folder of `hornbook {stage}`; name another one with --into")
    if into.exists() and not force:
        raise UserError(
            f"{into} holds what other settings, other documents or another version made; "
            "name another folder with --into, or replace it with --force"
        )
    writable(into)


def writable(into: Path) -> None:
    """Raise UserError where a folder of this name could not be made."""
    try:
        into.absolute().parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{into} can't be written: {error.strerror}") from None
    if not os.access(into.absolute().parent, os.W_OK) or (into.exists() and not into.is_dir()):
        raise UserError(f"{into} can't be written: there is no permission, or a file of that name")


def content(corpus: Path) -> str:
    """What a corpus holds, as one hash of its files: also of those that were changed after its manifest was written."""
    return digest_value(manifest.outputs(corpus))
