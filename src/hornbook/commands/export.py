"""`hornbook export`: a model folder becomes a file that other programs run."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from hornbook.commands.folders import CHANGED_CODE, FORCE, make, model_places, tell
from hornbook.commands.places import MODEL
from hornbook.model import model_folder
from hornbook.progress import Progress
from hornbook.report.wording import size
from hornbook.runs.code import code_digest
from hornbook.runs.single import content
from hornbook.runs.store import Job

WRITING = "hornbook.model.formats.gguf.writing"


class Format(StrEnum):
    """Formats of files."""

    GGUF = "gguf"


class Type(StrEnum):
    """Types of matrices in a GGUF file."""

    F32 = "f32"
    F16 = "f16"
    BF16 = "bf16"
    Q8_0 = "q8_0"
    Q4_0 = "q4_0"
    Q4_K_M = "q4_k_m"


def export(
    model: MODEL,
    into: Annotated[Path, typer.Option(metavar="FOLDER", help="The folder to write.")] = Path("exported"),
    to: Annotated[Format, typer.Option(help="The format of the file.")] = Format.GGUF,
    type_: Annotated[Type, typer.Option("--type", help="How matrices are stored.")] = Type.F16,
    force: FORCE = False,
    changed_code: CHANGED_CODE = None,
) -> None:
    """Write a model, its tokenizer and its chat template as one file, for llama.cpp, Ollama and LM Studio."""
    folder = model_folder(model)
    places = model_places(folder)
    contents = {name: content(place) for name, place in places.items()}
    job = Job("export", {"to": to.value, "type": type_.value}, contents, code_digest(WRITING))

    def work(place: Path, progress: Progress) -> dict[str, Any]:
        from hornbook.model.formats.gguf.writing import ExportSettings
        from hornbook.model.formats.gguf.writing import export as write

        return write(folder, ExportSettings.model_validate({"type": type_.value}), into=place, progress=progress)

    made = make(
        into,
        job,
        work,
        headline=_exported,
        reads=list(places.values()),
        force=force,
        changed_code=changed_code,
        goes_on=False,
    )
    tell(made, into / made.figures["file"], "file")


def _exported(figures: dict[str, Any]) -> str:
    return f"{figures['file']}: {size(figures['bytes'])}, {figures['bits_per_weight']} bits a weight"
