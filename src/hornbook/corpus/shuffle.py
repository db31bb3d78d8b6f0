"""Rows that go from the files of one pass to the ranges of the next, over the disk: a shuffle.

Every portion leaves its rows sorted by a 64-bit number, in files of bounded size (runs). Who works on a range of those
numbers reads just that range of every run, whoever wrote it. So no process holds something of every document.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from hornbook.documents import Shard
from hornbook.files import digest_value

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_RUN = 500_000  # rows sorted at once
_NUMBERS = "numbers.npy"


@dataclass(frozen=True)
class Pieces:
    """What the portions of a pass leave, each in a folder of its own in `scratch`. `key` tells it from all else."""

    scratch: Path
    name: str
    count: int
    key: str

    def folder(self, place: int) -> Path:
        """Where the portion `place` writes."""
        return self.scratch / f"{self.name}-{place:05d}"

    @property
    def folders(self) -> list[Path]:
        """Where all of them write, in order."""
        return [self.folder(place) for place in range(self.count)]

    def between(self, by: str, low: int, high: int, columns: Sequence[str] | None = None) -> Any:
        """The rows of all pieces whose `by`, which they are sorted by, is from `low` to before `high`: a pyarrow table,
        run by run.
        """
        return read_between(self.folders, by, low, high, columns)


class RunWriter:
    """Writes rows to files that are each sorted by one column of whole numbers; of equal ones the first stays first."""

    def __init__(self, folder: Path, schema: Any, by: str) -> None:
        self._folder, self._schema, self._by = folder, schema, by
        self._held: list[Any] = []
        self._rows = self._files = 0

    def add(self, table: Any) -> None:
        """Add the rows of a pyarrow table."""
        self._held.append(table)
        self._rows += table.num_rows
        if self._rows >= _RUN:
            self._flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and (self._held or not self._files):
            self._flush()

    def _flush(self) -> None:
        import numpy as np
        import pyarrow as pa

        table = pa.concat_tables([self._schema.empty_table(), *self._held])
        order = np.argsort(table[self._by].to_numpy(), kind="stable")
        # One chunk a column: a reader finds its range by bisection.
        table = table.take(order).combine_chunks()
        name = str(self._folder / f"run-{self._files:05d}.arrow")
        with pa.OSFile(name, "wb") as file, pa.ipc.new_file(file, self._schema) as writer:
            writer.write_table(table)
        self._held, self._rows, self._files = [], 0, self._files + 1


def read_between(folders: Sequence[Path], by: str, low: int, high: int, columns: Sequence[str] | None = None) -> Any:
    """See `Pieces.between`. What is read is copied, so that no file stays mapped."""
    import numpy as np

    def rows(numbers: NDArray[Any]) -> NDArray[np.int64]:
        start = int(np.searchsorted(numbers, numbers.dtype.type(low), "left"))
        end = int(np.searchsorted(numbers, numbers.dtype.type(high - 1), "right"))
        return np.arange(start, end)

    return _taken(folders, by, rows, columns)


def read_matching(folders: Sequence[Path], by: str, values: NDArray[np.int64]) -> Any:
    """The rows whose `by`, which they are sorted by and which no two in a run share, is one of these values, which
    ascend: a pyarrow table, run by run.
    """
    import numpy as np

    def rows(numbers: NDArray[Any]) -> NDArray[np.int64]:
        places = np.searchsorted(numbers, values)
        places = places[places < len(numbers)]
        return places[numbers[places] == values[: len(places)]]

    return _taken(folders, by, rows, None)


def _taken(
    folders: Sequence[Path],
    by: str,
    rows: Callable[[NDArray[Any]], NDArray[np.int64]],
    columns: Sequence[str] | None,
) -> Any:
    """Some rows of each run, by what it is sorted by."""
    import pyarrow as pa

    found = []
    for folder in folders:
        for file in sorted(folder.glob("run-*.arrow")):
            with pa.memory_map(str(file)) as mapped:
                table = pa.ipc.open_file(mapped).read_all()
                found.append((table.select(list(columns)) if columns else table).take(rows(table[by].to_numpy())))
                del table
    return pa.concat_tables(found)


def ranges(total: float, most: int, end: int = 1 << 64) -> list[tuple[int, int]]:
    """So many equal ranges of the numbers up to `end`, each from its first to before its second, that of `total` rows
    with numbers spread evenly each has about `most`.
    """
    count = max(1, -int(-total // most))
    return list(pairwise(part * end // count for part in range(count + 1)))


def write_numbers(folder: Path, numbers: NDArray[np.int64]) -> None:
    """Leave numbers of documents, in any order, for `read_numbers`."""
    import numpy as np

    np.save(folder / _NUMBERS, np.unique(numbers))


def read_numbers(folders: Sequence[Path], first: int, end: int) -> NDArray[np.int64]:
    """The numbers of documents from `first` to before `end` that are in these folders, ascending, each once."""
    import numpy as np

    found = [np.zeros(0, np.int64)]
    for folder in folders:
        numbers = np.load(folder / _NUMBERS, mmap_mode="r")
        found.append(np.array(numbers[np.searchsorted(numbers, first) : np.searchsorted(numbers, end)]))
    return np.unique(np.concatenate(found))


@dataclass(frozen=True)
class LeftOut:
    """Documents that later passes leave out, as `write_numbers` left them: in `anywhere` by portions that saw documents
    of all files, in `by_file` by one portion for each file.
    """

    anywhere: Pieces
    by_file: Pieces | None = None

    @property
    def key(self) -> str:
        """Tells them from any others."""
        return digest_value([self.anywhere.key, self.by_file and self.by_file.key])

    def rows(self, place: int, shard: Shard) -> NDArray[np.int64]:
        """Which rows of the file number `place` are left out, ascending."""
        folders = [*self.anywhere.folders, *([self.by_file.folder(place)] if self.by_file else [])]
        return read_numbers(folders, shard.first, shard.end) - shard.first


def rows_left(left_out: LeftOut | None, place: int, shard: Shard) -> NDArray[np.int64]:
    """Which rows of the file number `place` are not left out, ascending."""
    import numpy as np

    stays = np.ones(shard.rows, dtype=bool)
    if left_out is not None:
        stays[left_out.rows(place, shard)] = False
    return np.flatnonzero(stays)


def chosen(
    batches: Iterator[Any], rows: NDArray[np.int64], advance: Callable[[float], None]
) -> Iterator[tuple[NDArray[np.int64], Any]]:
    """Of the record batches of a file those `rows`, which ascend: for each batch which of them, and they themselves.

    `advance` is told of all rows that were passed.
    """
    import numpy as np

    first = at = 0
    for batch in batches:
        end = int(np.searchsorted(rows, first + batch.num_rows))
        here = rows[at:end]
        yield here, batch.take(here - first) if len(here) < batch.num_rows else batch
        advance(batch.num_rows)
        first, at = first + batch.num_rows, end
