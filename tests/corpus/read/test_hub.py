from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hornbook.corpus.read.formats import Bad, Raw, documents
from hornbook.corpus.read.hub import HubDataset, dataset, rows
from hornbook.corpus.read.kinds import Found
from hornbook.corpus.read.settings import ReadSettings, Source
from hornbook.corpus.read.sources import find, fingerprint
from hornbook.errors import UserError

SOURCE = Source(name="s", path="hf:someone/stories#small@test")


def read(source: Source = SOURCE) -> list[tuple[str, str]]:
    (found,) = find(source, Path("/"))
    assert isinstance(found, Found)
    items = documents(found, source, ReadSettings(maximum_line=1_000))
    return [(item.path, "".join(item.blocks) if isinstance(item, Raw) else f"!{item.reason}") for item in items]


def stand_in(monkeypatch: pytest.MonkeyPatch, rows: Iterator[dict[str, Any]] | Exception) -> list[tuple[Any, ...]]:
    """A `datasets` library that has these rows, and remembers what it was asked for."""
    asked = []

    def load_dataset(name: str, config: str | None, *, split: str, streaming: bool) -> Iterator[dict[str, Any]]:
        asked.append((name, config, split, streaming))
        if isinstance(rows, Exception):
            raise rows
        return rows

    module = types.ModuleType("datasets")
    module.load_dataset = load_dataset  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "datasets", module)
    return asked


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("hf:stories", HubDataset("stories", None, "train")),
        ("hf:a/b@test", HubDataset("a/b", None, "test")),
        ("hf:a/b#c", HubDataset("a/b", "c", "train")),
        ("hf:a/b#c@d", HubDataset("a/b", "c", "d")),
        ("hf:", None),
        ("hf:a#b#c", None),
    ],
)
def test_names(path: str, expected: HubDataset | None) -> None:
    assert dataset(path) == expected


def test_rows_are_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"text": "one"}, {"body": "x"}, {"text": None}, {"text": "x" * 2_000}, {"content": "five"}]
    asked = stand_in(monkeypatch, iter(rows))
    assert read() == [
        ("someone/stories:1", "one"),
        ("someone/stories:2", "!no text"),
        ("someone/stories:3", "!no text"),
        ("someone/stories:4", "!too long"),
        ("someone/stories:5", "five"),
    ]
    assert asked == [("someone/stories", "small", "test", True)]


def test_the_beginning_of_a_row_that_is_too_long_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, iter([{"text": "y" * 3_000}]))
    source = Source(name="s", path="hf:someone/stories#small@test")
    (bad,) = rows(HubDataset("someone/stories", "small", "test"), "x", source, ReadSettings(maximum_line=1_000))
    assert isinstance(bad, Bad) and bad.text == "y" * 2_000


def test_a_connection_that_breaks_keeps_what_came(monkeypatch: pytest.MonkeyPatch) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        yield {"text": "one"}
        raise ConnectionError("gone")

    stand_in(monkeypatch, rows())
    assert read() == [("someone/stories:1", "one"), ("someone/stories", "!unreadable")]


def test_what_can_not_be_had_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, RuntimeError("no such dataset\nat all"))
    with pytest.raises(UserError, match=r"source 's': hf:.* cannot be had: no such dataset$"):
        read()
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UserError, match="pip install datasets"):
        read()
    with pytest.raises(UserError, match="should be hf:NAME"):
        read(Source(name="s", path="hf:a#b#c"))


def test_the_fingerprint_needs_no_network() -> None:
    assert fingerprint([SOURCE], Path("/")) == {"s": SOURCE.path}


def test_the_library_itself_streams_a_folder(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    importlib.import_module("datasets")
    (tmp_path / "data.jsonl").write_text('{"text": "one"}\n{"text": "two"}\n')
    assert [text for _, text in read(Source(name="s", path=f"hf:{tmp_path}"))] == ["one", "two"]
