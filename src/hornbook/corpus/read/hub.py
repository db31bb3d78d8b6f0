"""Datasets of the Hugging Face hub by name, row by row, through the `datasets` library."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from hornbook.corpus.read.raw import Bad, Raw, record, text_column
from hornbook.corpus.read.settings import ReadSettings, Source
from hornbook.errors import UserError
from hornbook.records import Fault, readable

PREFIX = "hf:"
_NAME = re.compile(r"hf:(?P<name>[^#@]+)(?:#(?P<config>[^#@]+))?(?:@(?P<split>[^#@]+))?")


@dataclass(frozen=True)
class _Size:
    """What a dataset says of itself before it is read: nothing."""

    st_size: int = 0
    st_mtime_ns: int = 0


@dataclass(frozen=True)
class HubDataset:
    """One split of one dataset."""

    name: str
    config: str | None
    split: str

    def stat(self) -> _Size:
        """A size of 0, since it is not known; see `Path.stat`."""
        return _Size()

    def open(self, mode: str = "rb") -> BinaryIO:
        """Refused: a dataset has rows, no bytes."""
        raise OSError(None, f"{self.name} is a dataset, not a file")


def dataset(path: str) -> HubDataset | None:
    """The dataset that `hf:NAME`, `hf:NAME@SPLIT` or `hf:NAME#CONFIG@SPLIT` means; None if it is malformed."""
    found = _NAME.fullmatch(path)
    return HubDataset(found["name"], found["config"], found["split"] or "train") if found else None


def rows(chosen: HubDataset, path: str, source: Source, settings: ReadSettings) -> Iterator[Raw | Bad]:
    """The documents of a dataset, numbered by row from 1, as they come over the network.

    Raises UserError where the library is not installed, or the hub, the dataset or the split can't be had.
    """
    number = 0
    for row in stream(chosen, f"source {source.name!r}: {source.path}"):
        if isinstance(row, Fault):
            yield Bad(path, row.reason, row.detail)
            return
        number += 1
        name = text_column(source.column, row)
        if name is not None and isinstance(row[name], str) and len(row[name]) > settings.maximum_line:
            told = f"more than {settings.maximum_line:,} characters"
            yield Bad(f"{path}:{number}", "too long", told, readable(row[name]))
        else:
            yield record(row, f"{path}:{number}", source)
    if number == 0:
        yield Bad(path, "empty")


def stream(chosen: HubDataset, where: str) -> Iterator[dict[str, Any] | Fault]:
    """The rows of a dataset as they come over the network; where no more of them can be had, a Fault is the last.

    Raises UserError, beginning with `where`, as `rows` does.
    """
    try:
        datasets = importlib.import_module("datasets")
    except ImportError:
        raise UserError(f"{where} needs the datasets library: pip install datasets") from None
    try:
        found = iter(datasets.load_dataset(chosen.name, chosen.config, split=chosen.split, streaming=True))
    except Exception as error:  # whatever the network and a dozen libraries under this one raise
        raise UserError(f"{where} cannot be had: {_line(error)}") from None
    number = 0
    while True:
        try:
            row = next(found, None)
        except Exception as error:  # as above
            yield Fault("unreadable", f"after row {number}: {_line(error)}")
            return
        if row is None:
            return
        number += 1
        yield dict(row)


def _line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).split("\n", 1)[0]
