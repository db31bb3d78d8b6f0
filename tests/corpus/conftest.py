from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hornbook.progress import Progress


class Heard(Progress):
    """Remembers what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def make_corpus() -> Callable[..., Path]:
    """Writes a corpus with plain pyarrow: rows as they are, spread over `files` files."""

    def make(folder: Path, rows: Sequence[dict[str, Any]], files: int = 1) -> Path:
        documents = folder / "documents"
        documents.mkdir(parents=True)
        for number in range(files):
            table = pa.Table.from_pylist(list(rows[number::files]), schema=pa.Table.from_pylist(list(rows)).schema)
            pq.write_table(table, documents / f"part-{number:05d}.parquet")
        return folder

    return make


@pytest.fixture
def rows_of() -> Callable[[Path], list[dict[str, Any]]]:
    """All rows of a folder of parquet files, in order."""

    def read(folder: Path) -> list[dict[str, Any]]:
        return [row for file in sorted(folder.glob("*.parquet")) for row in pq.read_table(file).to_pylist()]

    return read


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], tuple[Any, int]]:
    """Calls something, at each of whose portions it is interrupted once, until it ends; also tells how often it was."""
    from hornbook.workers import work as workers

    do = workers._do

    def until_done(call: Callable[[], Any]) -> tuple[Any, int]:
        tried: set[str] = set()
        ended: list[str] = []

        def fragile(portion: Any, advance: Any) -> Any:
            if portion.key not in tried:
                tried.add(portion.key)
                portion.folder.mkdir(parents=True, exist_ok=True)
                (portion.folder / "half").write_text("of what a portion writes")
                raise KeyboardInterrupt
            ended.append(portion.key)
            return do(portion, advance)

        monkeypatch.setattr(workers, "_do", fragile)
        for times in range(1_000):
            try:
                found = call()
            except KeyboardInterrupt:
                continue
            assert len(ended) == len(set(ended)), "something was done twice"
            return found, times
        raise AssertionError("it never ends")

    return until_done
