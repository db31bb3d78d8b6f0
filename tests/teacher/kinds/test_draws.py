from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hornbook.errors import UserError
from hornbook.teacher.kinds.draws import LONGEST, SHORTEST, Extract, Supply, choices, coverage, draw, extracts
from hornbook.teacher.kinds.template import Kind, load

TEXTS = [Extract(f"d{n}", f"word{n} " * 400) for n in range(3)]


@pytest.fixture
def stories() -> Kind:
    return load("stories")


def test_a_rows_number_decides_its_seeds(stories: Kind) -> None:
    first = draw(stories, 7, 1, Supply())
    assert draw(stories, 7, 1, Supply()) == first
    assert draw(stories, 8, 1, Supply()) != first
    assert draw(stories, 7, 2, Supply()) != first


def test_words_come_up_in_turn(stories: Kind) -> None:
    nouns = choices(stories.template.draw["noun"], stories.folder)
    drawn = [draw(stories, number, 1, Supply()) for number in range(2 * len(nouns))]
    used = Counter(one.values["noun"] for one in drawn)
    assert set(used.values()) == {2}
    assert coverage(stories, drawn, Supply())["noun"] == {"used": len(nouns), "of": len(nouns)}


def test_several_at_once(stories: Kind) -> None:
    numbers = Counter(len(draw(stories, n, 1, Supply()).values["features"].split(", ")) for n in range(200))
    assert set(numbers) <= {1, 2, 3}
    assert any(not draw(stories, n, 1, Supply()).values["features"] for n in range(50))


def test_extracts(tmp_path: Path) -> None:
    lessons = load("lessons")
    drawn = [draw(lessons, number, 1, Supply(extracts=TEXTS)) for number in range(6)]
    assert [one.origins["page"] for one in drawn] == ["d0", "d1", "d2", "d0", "d1", "d2"]
    assert all(0 < len(one.values["page"]) <= 3000 for one in drawn)
    assert "page" not in drawn[0].record()
    assert json.loads(json.dumps(drawn[0].record()))["documents"] == {"page": "d0"}
    with pytest.raises(UserError, match="--seeds FOLDER"):
        draw(lessons, 0, 1, Supply())


def test_an_extract_that_need_not_be(tmp_path: Path) -> None:
    textbooks = load("textbooks")
    topics = {"topic": ["Algebra", "Music"]}
    assert draw(textbooks, 3, 1, Supply(topics)).values["extract"] == ""
    shown = [bool(draw(textbooks, n, 1, Supply(topics, TEXTS)).values["extract"]) for n in range(100)]
    assert 50 < sum(shown) < 90
    used = coverage(textbooks, [draw(textbooks, n, 1, Supply(topics, TEXTS)) for n in range(20)], Supply(topics, TEXTS))
    assert used["topic"] == {"used": 2, "of": 2}
    assert used["device"] == {"used": 6, "of": 6}
    assert used["extract"] == {"used": 3, "of": 3}


def corpus(folder: Path, names: list[str], files: int = 1) -> Path:
    (folder / "documents").mkdir(parents=True)
    for number in range(files):
        rows = [{"id": name, "text": f"{name} " * SHORTEST} for name in names[number::files]]
        pq.write_table(pa.Table.from_pylist(rows), folder / "documents" / f"part-{number}.parquet")
    return folder


def test_the_order_on_disk_does_not_matter(tmp_path: Path) -> None:
    names = [f"d{n}" for n in range(40)]
    a = corpus(tmp_path / "a", names)
    b = corpus(tmp_path / "b", names[::-1], files=3)
    chosen = [one.id for one in extracts(a, 10, seed=1)]
    assert chosen == [one.id for one in extracts(b, 10, seed=1)]
    assert [one.id for one in extracts(a, 25, seed=1)][:10] == chosen
    assert chosen != [one.id for one in extracts(a, 10, seed=2)]
    assert len(extracts(a, 100, seed=1)) == 40


def test_short_and_repeated_documents(tmp_path: Path) -> None:
    folder = corpus(tmp_path, ["a", "a", "b" * LONGEST])
    pq.write_table(pa.Table.from_pylist([{"id": "s", "text": "short"}]), folder / "documents" / "part-9.parquet")
    found = extracts(folder, 9, seed=1)
    assert sorted(one.id[0] for one in found) == ["a", "b"]
    assert max(len(one.text) for one in found) == LONGEST


def test_no_corpus(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a corpus"):
        extracts(tmp_path, 1, seed=1)
