from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hornbook.corpus import read as reading
from hornbook.corpus.read import Item, portions, read
from hornbook.corpus.read.kinds import Found
from hornbook.corpus.read.settings import ReadSettings, Source
from hornbook.progress import Progress

SOURCE = Source(name="s", path="data")


def files(folder: Path, sizes: list[int]) -> list[Item]:
    folder.mkdir()
    found = []
    for number, size in enumerate(sizes):
        (folder / f"{number}.txt").write_text("x" * size)
        found.append(Item(SOURCE, Found(folder / f"{number}.txt", f"{number}.txt")))
    return found


def test_portions_are_in_order_and_about_as_large_as_asked_for(tmp_path: Path) -> None:
    items = [*files(tmp_path / "data", [3, 3, 3, 20, 1, 9, 0]), Item(SOURCE, None)]
    cut = list(portions(items, 10))
    assert [item for portion in cut for item in portion] == items
    assert [[item.size for item in portion] for portion in cut] == [[3, 3, 3], [20], [1, 9, 0, 0]]
    assert list(portions([])) == []


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "portions", lambda items: portions(items, 10))


def run(tmp_path: Path, into: str = "corpus") -> dict[str, Any]:
    return read([SOURCE], ReadSettings(), base=tmp_path, into=tmp_path / into, progress=Progress())


def test_what_was_read_before_an_interruption_is_not_read_again(
    tmp_path: Path, small: None, monkeypatch: pytest.MonkeyPatch, rows_of: Any
) -> None:
    files(tmp_path / "data", [8, 8, 8, 8])
    opened: list[str] = []
    documents = reading.documents

    def interrupted(found: Found, *rest: Any) -> Any:
        opened.append(found.path)
        if len(opened) == 3:
            raise KeyboardInterrupt
        return documents(found, *rest)

    monkeypatch.setattr(reading, "documents", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)
    assert not (tmp_path / "corpus/documents").exists()
    figures = run(tmp_path)
    assert opened == ["0.txt", "1.txt", "2.txt", "2.txt", "3.txt"]
    assert figures == run(tmp_path, "at once")
    for part in ("documents", "removed"):
        first, second = (sorted((tmp_path / into / part).iterdir()) for into in ("corpus", "at once"))
        assert [file.read_bytes() for file in first] == [file.read_bytes() for file in second]
    assert [row["path"] for row in rows_of(tmp_path / "corpus/documents")] == [f"{n}.txt" for n in range(4)]


def test_a_portion_of_other_files_is_read_again(tmp_path: Path, small: None, rows_of: Any) -> None:
    files(tmp_path / "data", [8, 8])
    run(tmp_path)
    (tmp_path / "data/1.txt").write_text("changed text")
    run(tmp_path)
    assert [row["text"] for row in rows_of(tmp_path / "corpus/documents")] == ["x" * 8, "changed text"]


def test_parts_without_rows_are_left_out(tmp_path: Path, small: None) -> None:
    files(tmp_path / "data", [8, 0, 20, 8])
    run(tmp_path)
    assert len(list((tmp_path / "corpus/documents").iterdir())) == 3
    assert len(list((tmp_path / "corpus/removed").iterdir())) == 1
